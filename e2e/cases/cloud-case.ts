import type { CloudName } from './case-cloud.ts';
import type { Outcome } from './outcome.ts';
import type { S3Wish } from './s3-request.ts';
import type { SdkPut } from './sdk-put.ts';
import type { SessionWish } from './sts-request.ts';

/** What a case may need to know when it starts: the time, and our address as the cloud sees it. */
export type Moment = { readonly now: number; readonly sourceIp: string };

/** One request with the session's keys. */
export type Step = {
  readonly ask: S3Wish | SdkPut;
  readonly expected: Outcome;
  /** What a good answer holds. */
  readonly content?: string;
  /** Not before so many milliseconds after the case began. */
  readonly afterMs?: number;
};

/** Where one cloud answers otherwise, and why that is no fault of ours. */
export type Difference = {
  readonly reason: string;
  /** What it answers instead: to the call of STS, then to each step. */
  readonly outcomes: readonly Outcome[];
};

/** A session is asked for; if it is granted, each step is a request with its keys. */
export type CloudCase = {
  /** A sentence. */
  readonly name: string;
  readonly session: (moment: Moment) => SessionWish;
  readonly granted: Outcome;
  readonly steps: readonly Step[];
  readonly differs: Partial<Record<CloudName, Difference>>;
};

/** A case that ends at STS. */
export const sessionCase = (
  name: string,
  session: SessionWish,
  granted: Outcome,
  differs: CloudCase['differs'] = {},
): CloudCase => ({ name, session: () => session, granted, steps: [], differs });

/** A case whose session is granted and whose steps are requests. */
export const requestCase = (
  name: string,
  session: SessionWish | ((moment: Moment) => SessionWish),
  steps: readonly Step[],
  differs: CloudCase['differs'] = {},
): CloudCase => ({
  name,
  session: typeof session === 'function' ? session : () => session,
  granted: 'done',
  steps,
  differs,
});

/** What a cloud of this name has to answer, in order. */
export const expectedOutcomes = (one: CloudCase, name: CloudName): readonly Outcome[] =>
  one.differs[name]?.outcomes ?? [one.granted, ...one.steps.map(({ expected }) => expected)];
