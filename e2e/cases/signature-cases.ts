import { buildRequestCase, type CloudCase } from './cloud-case.ts';
import type { Outcome } from './case-outcome.ts';
import type { SignatureForgery, S3CaseRequest } from './s3-request.ts';
import { buildGet, buildList, buildPut, buildStep } from './case-builders.ts';

const buildForgedCase = (
  forge: SignatureForgery,
  outcome: Outcome,
  ask: S3CaseRequest = buildGet(),
  differs: CloudCase['differs'] = {},
): CloudCase =>
  buildRequestCase(`refused: ${forge}`, {}, [buildStep({ ...ask, forge }, outcome)], differs);

/** Cases with requests that the owner of the session did not sign. */
export const SIGNATURE_CASES: readonly CloudCase[] = [
  buildForgedCase('no signature', 'denied'),
  buildForgedCase('unknown access key', 'unknown keys', buildGet(), {
    rgw: { reason: 'it looks up keys by their session token', outcomes: ['done', 'denied'] },
  }),
  buildForgedCase('wrong secret', 'wrong signature'),
  buildForgedCase('no session token', 'wrong session token'),
  buildForgedCase("another session's token", 'wrong session token'),
  buildForgedCase('signed 20 minutes ago', 'wrong time'),
  buildForgedCase('other path than signed', 'wrong signature'),
  buildForgedCase('other query than signed', 'wrong signature', buildList('reports/')),
  buildForgedCase('other content than signed', 'wrong content', buildPut('reports/forged.csv')),
];
