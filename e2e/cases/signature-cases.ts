import { requestCase, type CloudCase } from './cloud-case.ts';
import type { Outcome } from './outcome.ts';
import type { Forgery, S3Wish } from './s3-request.ts';
import { get, list, put, step } from './wishes.ts';

const forged = (
  forge: Forgery,
  outcome: Outcome,
  ask: S3Wish = get(),
  differs: CloudCase['differs'] = {},
): CloudCase => requestCase(`refused: ${forge}`, {}, [step({ ...ask, forge }, outcome)], differs);

/** Requests that the session's owner did not sign. */
export const SIGNATURE_CASES: readonly CloudCase[] = [
  forged('no signature', 'denied'),
  forged('unknown access key', 'unknown keys', get(), {
    rgw: { reason: 'it finds keys by their session token', outcomes: ['done', 'denied'] },
  }),
  forged('wrong secret', 'wrong signature'),
  forged('no session token', 'wrong session token'),
  forged("another session's token", 'wrong session token'),
  forged('signed 20 minutes ago', 'wrong time'),
  forged('other path than signed', 'wrong signature'),
  forged('other query than signed', 'wrong signature', list('reports/')),
  forged('other content than signed', 'wrong content', put('reports/forged.csv')),
];
