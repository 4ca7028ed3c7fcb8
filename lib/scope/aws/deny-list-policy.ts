import { truncatePodName } from './session-name.ts';

/** A session to deny by its name, `<pod>@<run>`. */
export type DeniedRun = {
  readonly run: string;
  /** When its own session policy denies everything anyway: milliseconds since the epoch. */
  readonly deadline: number;
  /** It completed. Revoked runs take precedence over completed ones. */
  readonly hasCompleted: boolean;
};

/** Sessions to deny by their tags. */
export type DeniedSessions = {
  /** Tag → value; all must match. Empty: every session of the role. */
  readonly tags: Readonly<Record<string, string>>;
  /**
   * Sessions issued until this time, inclusive: milliseconds since the epoch, by the cloud's clock. The
   * caller adds the maximum accepted skew.
   */
  readonly issuedUntil: number;
  /** Sessions of this pod, compared by the truncated name in session names; absent: of any pod. */
  readonly podName?: string;
};

export type DenyListPolicy = {
  /** Inline role policy, compact JSON; absent: nothing to deny. */
  readonly policy?: string;
  /** Runs that do not fit: first completed ones, then others, in each case those that expire first. */
  readonly omittedRuns: readonly string[];
};

/** IAM's limit for all inline policies of a role, without white space. */
const MAX_INLINE_POLICIES_LENGTH = 10_240;

/** A cloud whose clock is behind accepts credentials for this long after their deadline. */
const SKEW_MS = 30_000;

type Statement = {
  readonly Effect: 'Deny';
  readonly Action: '*';
  readonly Resource: '*';
  readonly Condition: Readonly<
    Record<string, Readonly<Record<string, string | readonly string[]>>>
  >;
};

/**
 * Builds the inline role policy that denies ended sessions: one statement for all runs (`aws:userid` is
 * `<role id>:<session name>`, and a session name ends with its run), and one for each set of sessions.
 * Runs past their deadline are omitted, because their session policy denies them. If the others do not
 * fit, those that expire first are omitted and returned, so that the caller can report them. Completed
 * runs are omitted before revoked ones: otherwise a pod could displace a revocation by completing runs.
 *
 * @param options.maxLength characters that this policy may have
 * @throws Error when not even the statements for sets of sessions fit
 */
export const buildDenyListPolicy = (
  wanted: { readonly runs: readonly DeniedRun[]; readonly sessions: readonly DeniedSessions[] },
  {
    now,
    maxLength = MAX_INLINE_POLICIES_LENGTH,
  }: { readonly now: number; readonly maxLength?: number },
): DenyListPolicy => {
  const bulk = wanted.sessions.map(buildBulkStatement);
  const bulkLength = bulk.length === 0 ? 0 : renderPolicy(bulk).length;
  if (bulkLength > maxLength) {
    const expected = `a deny list of at most ${maxLength} characters`;
    throw new Error(
      `sessions: expected ${expected}, got ${bulkLength}; replace revocations by fewer, broader ones`,
    );
  }
  const active = wanted.runs
    .filter(({ deadline }) => deadline + SKEW_MS > now)
    .sort(compareUrgency)
    .map(({ run }) => run);
  const count = countFitting(active, bulk, maxLength);
  const statements = [...buildRunStatement(active.slice(0, count)), ...bulk];
  const policy = statements.length === 0 ? {} : { policy: renderPolicy(statements) };
  return { ...policy, omittedRuns: active.slice(count) };
};

const compareUrgency = (one: DeniedRun, other: DeniedRun): number =>
  Number(one.hasCompleted) - Number(other.hasCompleted) ||
  other.deadline - one.deadline ||
  (one.run < other.run ? -1 : 1);

/** Binary search: if a number of runs fits, every smaller number fits. */
const countFitting = (
  runs: readonly string[],
  bulk: readonly Statement[],
  maxLength: number,
): number => {
  const fits = (count: number): boolean =>
    renderPolicy([...buildRunStatement(runs.slice(0, count)), ...bulk]).length <= maxLength;
  let [fitting, tooMany] = [0, runs.length + 1];
  while (tooMany - fitting > 1) {
    const middle = Math.floor((fitting + tooMany) / 2);
    if (fits(middle)) fitting = middle;
    else tooMany = middle;
  }
  return fitting;
};

const buildRunStatement = (runs: readonly string[]): readonly Statement[] =>
  runs.length === 0
    ? []
    : [buildDenyStatement({ StringLike: { 'aws:userid': runs.map((run) => `*@${run}`) } })];

const buildBulkStatement = ({ tags, issuedUntil, podName }: DeniedSessions): Statement => {
  const conditions = Object.entries(tags).map(
    ([tag, value]) => [`aws:PrincipalTag/${tag}`, value] as const,
  );
  return buildDenyStatement({
    ...(conditions.length === 0 ? {} : { StringEquals: Object.fromEntries(conditions) }),
    ...(podName === undefined
      ? {}
      : { StringLike: { 'aws:userid': `*:${truncatePodName(podName)}@*` } }),
    DateLessThanEquals: { 'aws:TokenIssueTime': formatWholeSeconds(issuedUntil) },
  });
};

/** Rounded up: denying one session too many is better than one too few. */
const formatWholeSeconds = (at: number): string =>
  new Date(Math.ceil(at / 1000) * 1000).toISOString().replace('.000Z', 'Z');

const buildDenyStatement = (condition: Statement['Condition']): Statement => ({
  Effect: 'Deny',
  Action: '*',
  Resource: '*',
  Condition: condition,
});

const renderPolicy = (statements: readonly Statement[]): string =>
  JSON.stringify({ Version: '2012-10-17', Statement: statements });
