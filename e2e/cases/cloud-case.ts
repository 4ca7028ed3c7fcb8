import type { CloudName } from './case-cloud.ts';
import type { Outcome } from './case-outcome.ts';
import type { S3CaseRequest } from './s3-request.ts';
import type { SdkPut } from './sdk-put.ts';
import type { SessionRequest } from './sts-request.ts';

/** What a case may need to know when it starts: the time, and our address as the cloud sees it. */
export type CaseStart = { readonly now: number; readonly sourceIp: string };

/** One request with the session's keys. */
export type CaseStep = {
  readonly request: S3CaseRequest | SdkPut;
  readonly expected: Outcome;
  /** What a good answer holds. */
  readonly content?: string;
  /** Not before so many milliseconds after the case began. */
  readonly afterMs?: number;
};

/** Where one cloud answers otherwise, and why that is no fault of ours. */
export type CloudDifference = {
  readonly reason: string;
  /** What it answers instead: to the call of STS, then to each step. */
  readonly outcomes: readonly Outcome[];
};

/** A session is asked for; if it is granted, each step is a request with its keys. */
export type CloudCase = {
  /** A sentence. */
  readonly name: string;
  readonly session: (moment: CaseStart) => SessionRequest;
  readonly granted: Outcome;
  readonly steps: readonly CaseStep[];
  readonly differs: Partial<Record<CloudName, CloudDifference>>;
};

/** A case that ends at STS. */
export const buildSessionCase = (
  name: string,
  session: SessionRequest,
  granted: Outcome,
  differs: CloudCase['differs'] = {},
): CloudCase => ({ name, session: () => session, granted, steps: [], differs });

/** A case whose session is granted and whose steps are requests. */
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

/** What a cloud of this name has to answer, in order. */
export const listExpectedOutcomes = (one: CloudCase, name: CloudName): readonly Outcome[] =>
  one.differs[name]?.outcomes ?? [one.granted, ...one.steps.map(({ expected }) => expected)];
