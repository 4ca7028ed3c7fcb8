import { truncatePodName } from './session-name.ts';

/** A session to be denied by its name, `<pod>@<run>`. */
export type DeniedRun = {
  readonly run: string;
  /** When its own session policy denies everything anyway: milliseconds since the epoch. */
  readonly deadline: number;
  /** It ended by itself: it gives way to those that somebody revoked. */
  readonly hasCompleted: boolean;
};

/** Sessions to be denied by their tags. */
export type DeniedSessions = {
  /** Tag → value; all have to match. Empty: every session of the role. */
  readonly tags: Readonly<Record<string, string>>;
  /**
   * Sessions issued at this moment or before it, in milliseconds since the epoch, by the cloud's
   * clock: whoever asks adds the largest skew that is borne.
   */
  readonly issuedUntil: number;
  /** Of this pod, as far as a session name shows its name; absent: whatever the pod. */
  readonly podName?: string;
};

export type DenyListPolicy = {
  /** Inline role policy, compact JSON; absent: there is nothing to deny. */
  readonly policy?: string;
  /** Runs for which there was no room: of those that completed, then of the others, the soonest dead. */
  readonly omittedRuns: readonly string[];
};

/** IAM: all inline policies of a role together, white space not counted. */
const MAX_INLINE_POLICIES_LENGTH = 10_240;

/** A cloud whose clock is behind ours honours a deadline by so much later. */
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
 * The inline role policy by which the cloud refuses sessions that ended: one statement for the runs
 * (`aws:userid` is `<role id>:<session name>`, and a session name ends in its run), one for each bulk.
 * Runs past their deadline are left away, because the session policy denies them. Where the rest does
 * not fit, those that would die soonest are left out, and named: whoever writes the policy says so
 * loudly. What completed goes first: a pod ends as many runs as it likes, and would undo a revocation.
 *
 * @param room characters that this policy may have
 * @throws when not even the bulk fits
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
    const expected = `a denial of at most ${maxLength} characters`;
    throw new Error(`sessions: expected ${expected}, got ${bulkLength}; revoke more at once`);
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

/** By halving: what fits with more runs fits with fewer. */
const countFitting = (
  runs: readonly string[],
  bulk: readonly Statement[],
  room: number,
): number => {
  const fits = (count: number): boolean =>
    renderPolicy([...buildRunStatement(runs.slice(0, count)), ...bulk]).length <= room;
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

/** Rounded up: a session too many is better denied than one too few. */
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
