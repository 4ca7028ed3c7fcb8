import {
  buildSessionConditions,
  sortByUrgency,
  type Condition,
  type DeniedSessions,
} from './denied-sessions.ts';

/** A session to deny by its name, `<pod>@<run>`. */
export type DeniedRun = {
  readonly run: string;
  /** When its own session policy denies everything anyway: milliseconds since the epoch. */
  readonly deadline: number;
  /** It completed. Revoked runs take precedence over completed ones. */
  readonly hasCompleted: boolean;
  /** Only its own pod reported the end. Revocations of others take precedence. */
  readonly isReported?: boolean;
};

export type DenyListPolicy = {
  /** Inline role policy, compact JSON; absent: nothing to deny. */
  readonly policy?: string;
  /** Runs that do not fit: first completed ones, then others, in each case those that expire first. */
  readonly omittedRuns: readonly string[];
  /** Number of sets of sessions that do not fit. */
  readonly omittedSessions: number;
};

/** IAM's limit for all inline policies of a role, without white space. */
const MAX_INLINE_POLICIES_LENGTH = 10_240;

/** A cloud whose clock is behind accepts credentials for this long after their deadline. */
const SKEW_MS = 30_000;

/** Times of issue in the statements for sets of sessions; the second one applies if not all sets fit otherwise. */
const [SECOND_MS, MINUTE_MS] = [1_000, 60_000];

type Statement = {
  readonly Effect: 'Deny';
  readonly Action: '*';
  readonly Resource: '*';
  readonly Condition: Condition;
};

/**
 * Builds the inline role policy that denies ended sessions: one statement for all runs (`aws:userid` is
 * `<role id>:<session name>`, and a session name ends with its run), and one for all sets of sessions that
 * differ in one value. Runs past their deadline are omitted, because their session policy denies them.
 *
 * What does not fit is omitted and counted, so that the caller can report it. Of the sets of sessions, each
 * namespace keeps its share, and they leave half of the policy to revoked runs. Of the runs, those that
 * expire first are omitted: first completed ones, then those that only their pods reported, and then the
 * others. Otherwise a pod could displace a revocation by ending runs.
 *
 * @param options.maxLength characters that this policy may have
 */
export const buildDenyListPolicy = (
  wanted: { readonly runs: readonly DeniedRun[]; readonly sessions: readonly DeniedSessions[] },
  {
    now,
    maxLength = MAX_INLINE_POLICIES_LENGTH,
  }: { readonly now: number; readonly maxLength?: number },
): DenyListPolicy => {
  const active = wanted.runs
    .filter(({ deadline }) => deadline + SKEW_MS > now)
    .sort(compareUrgency);
  const runs = active.map(({ run }) => run);
  const revoked = active.filter((each) => rankRun(each) === 0).map(({ run }) => run);
  const reserved = Math.min(renderPolicy(buildRunStatement(revoked)).length, maxLength / 2);
  const { bulk, omittedSessions } = chooseSessions(
    sortByUrgency(wanted.sessions),
    revoked.length === 0 ? maxLength : maxLength - reserved,
  );
  const count = countFitting(runs.length, (length) =>
    fits([...buildRunStatement(runs.slice(0, length)), ...bulk], maxLength),
  );
  const statements = [...buildRunStatement(runs.slice(0, count)), ...bulk];
  const policy = statements.length === 0 ? {} : { policy: renderPolicy(statements) };
  return { ...policy, omittedRuns: runs.slice(count), omittedSessions };
};

const rankRun = ({ hasCompleted, isReported = false }: DeniedRun): number =>
  hasCompleted ? 2 : Number(isReported);

const compareUrgency = (one: DeniedRun, other: DeniedRun): number =>
  rankRun(one) - rankRun(other) || other.deadline - one.deadline || (one.run < other.run ? -1 : 1);

const chooseSessions = (
  sessions: readonly DeniedSessions[],
  maxLength: number,
): { readonly bulk: readonly Statement[]; readonly omittedSessions: number } => {
  const build = (count: number, granularityMs: number): readonly Statement[] =>
    buildSessionConditions(sessions.slice(0, count), granularityMs).map(buildDenyStatement);
  const exact = build(sessions.length, SECOND_MS);
  if (fits(exact, maxLength)) return { bulk: exact, omittedSessions: 0 };
  const count = countFitting(sessions.length, (length) =>
    fits(build(length, MINUTE_MS), maxLength),
  );
  return { bulk: build(count, MINUTE_MS), omittedSessions: sessions.length - count };
};

const fits = (statements: readonly Statement[], maxLength: number): boolean =>
  statements.length === 0 || renderPolicy(statements).length <= maxLength;

/** Binary search: if a number fits, every smaller number fits. */
const countFitting = (max: number, fitsUpTo: (count: number) => boolean): number => {
  let [fitting, tooMany] = [0, max + 1];
  while (tooMany - fitting > 1) {
    const middle = Math.floor((fitting + tooMany) / 2);
    if (fitsUpTo(middle)) fitting = middle;
    else tooMany = middle;
  }
  return fitting;
};

const buildRunStatement = (runs: readonly string[]): readonly Statement[] =>
  runs.length === 0
    ? []
    : [buildDenyStatement({ StringLike: { 'aws:userid': runs.map((run) => `*@${run}`) } })];

const buildDenyStatement = (condition: Condition): Statement => ({
  Effect: 'Deny',
  Action: '*',
  Resource: '*',
  Condition: condition,
});

const renderPolicy = (statements: readonly Statement[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });
