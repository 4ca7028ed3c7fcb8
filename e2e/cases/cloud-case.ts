import type { CloudName } from './case-cloud.ts';
import type { Outcome } from './case-outcome.ts';
import type { S3CaseRequest } from './s3-request.ts';
import type { SdkPut } from './sdk-put.ts';
import type { SessionRequest } from './sts-request.ts';

/** What a case may depend on: the current time, and the source address that the cloud sees. */
export type CaseStart = { readonly now: number; readonly sourceIp: string };

/** One request with the session's keys. */
export type CaseStep = {
  readonly request: S3CaseRequest | SdkPut;
  readonly expected: Outcome;
  /** Expected content. */
  readonly content?: string;
  /** Earliest time in milliseconds after the case started. */
  readonly afterMs?: number;
};

/** A cloud that is known to respond differently, and why this is acceptable. */
export type CloudDifference = {
  readonly reason: string;
  /** Its responses: to the STS call, then to each step. */
  readonly outcomes: readonly Outcome[];
};

/** A session is requested; if it is issued, each step is a request with its keys. */
export type CloudCase = {
  /** A sentence. */
  readonly name: string;
  readonly session: (moment: CaseStart) => SessionRequest;
  readonly granted: Outcome;
  readonly steps: readonly CaseStep[];
  readonly differs: Partial<Record<CloudName, CloudDifference>>;
};

/** Builds a case that ends at STS. */
export const buildSessionCase = (
  name: string,
  session: SessionRequest,
  granted: Outcome,
  differs: CloudCase['differs'] = {},
): CloudCase => ({ name, session: () => session, granted, steps: [], differs });

/** Builds a case whose session is issued and whose steps are requests. */
export const buildRequestCase = (
  name: string,
  session: SessionRequest | ((moment: CaseStart) => SessionRequest),
  steps: readonly CaseStep[],
  differs: CloudCase['differs'] = {},
): CloudCase => ({
  name,
  session: typeof session === 'function' ? session : () => session,
  granted: 'done',
  steps,
  differs,
});

/** Lists the expected responses of a cloud, in order. */
export const listExpectedOutcomes = (one: CloudCase, name: CloudName): readonly Outcome[] =>
  one.differs[name]?.outcomes ?? [one.granted, ...one.steps.map(({ expected }) => expected)];
