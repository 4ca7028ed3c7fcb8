import { truncatePodName } from './session-name.ts';

/** Sessions to deny by their tags. */
export type DeniedSessions = {
  /** Tag → value; all must match. Empty: every session of the role. Broader tags first. */
  readonly tags: Readonly<Record<string, string>>;
  /**
   * Sessions issued until this time, inclusive: milliseconds since the epoch, by the cloud's clock. The
   * caller adds the maximum accepted skew.
   */
  readonly issuedUntil: number;
  /** Sessions of this pod, compared by the truncated name in session names; absent: of any pod. */
  readonly podName?: string;
};

/** `Condition` of a statement of a policy. */
export type Condition = Readonly<
  Record<string, Readonly<Record<string, string | readonly string[]>>>
>;

/**
 * Sorts sets of sessions by urgency, so that the first ones are kept if not all fit. Sets of all namespaces
 * are first. Then namespaces take turns, so that many sets of one do not displace those of another. In a
 * namespace, broader sets are first, then those that expire last. Sets that another one includes are omitted.
 */
export const sortByUrgency = (sessions: readonly DeniedSessions[]): readonly DeniedSessions[] => {
  const turns = new Map<string, number>();
  return omitIncluded(sessions)
    .sort(compareInNamespace)
    .map((each) => {
      const [namespace] = Object.values(each.tags);
      if (namespace === undefined) return { each, turn: -1 };
      const turn = turns.get(namespace) ?? 0;
      turns.set(namespace, turn + 1);
      return { each, turn };
    })
    .sort((one, other) => one.turn - other.turn)
    .map(({ each }) => each);
};

const compareInNamespace = (one: DeniedSessions, other: DeniedSessions): number =>
  countConditions(one) - countConditions(other) ||
  other.issuedUntil - one.issuedUntil ||
  (formatTarget(one) < formatTarget(other) ? -1 : 1);

/** A pod is narrower than a task of many pods. */
const countConditions = ({ tags, podName }: DeniedSessions): number =>
  podName === undefined ? Object.keys(tags).length : Infinity;

const omitIncluded = (sessions: readonly DeniedSessions[]): DeniedSessions[] => {
  const latest = new Map<string, DeniedSessions>();
  for (const each of sessions) {
    const target = formatTarget(each);
    const known = latest.get(target)?.issuedUntil ?? -Infinity;
    if (each.issuedUntil > known) latest.set(target, each);
  }
  const isIncluded = (each: DeniedSessions): boolean =>
    listBroaderTargets(each).some((target) => {
      const broader = latest.get(target);
      return broader !== undefined && broader.issuedUntil >= each.issuedUntil;
    });
  return [...latest.values()].filter((each) => !isIncluded(each));
};

const formatTarget = ({ tags, podName }: Omit<DeniedSessions, 'issuedUntil'>): string =>
  JSON.stringify([
    Object.entries(tags),
    ...(podName === undefined ? [] : [truncatePodName(podName)]),
  ]);

/** The same target with fewer of its last conditions. */
const listBroaderTargets = ({ tags, podName }: DeniedSessions): readonly string[] => {
  const entries = Object.entries(tags);
  const lengths = entries.map((_, index) => index);
  return [...lengths, ...(podName === undefined ? [] : [entries.length])].map((length) =>
    formatTarget({ tags: Object.fromEntries(entries.slice(0, length)) }),
  );
};

/**
 * Builds the conditions that match the sets, one for all that differ only in their last value: the pod, or
 * the last tag.
 *
 * @param granularityMs times of issue are rounded up to multiples of it: a larger one merges more sets, and
 *   denies sessions that were issued up to as much later
 */
export const buildSessionConditions = (
  sessions: readonly DeniedSessions[],
  granularityMs: number,
): readonly Condition[] => {
  const groups = new Map<string, { readonly sets: DeniedSessions[]; readonly until: number }>();
  for (const each of sessions) {
    const until = Math.ceil(each.issuedUntil / granularityMs) * granularityMs;
    const { tags, podName } = each;
    const entries = Object.entries(tags);
    const shared = podName === undefined ? entries.slice(0, -1) : entries;
    const key = JSON.stringify([until, Object.keys(tags), shared, podName === undefined]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { sets: [each], until });
    else group.sets.push(each);
  }
  return [...groups.values()].map(buildCondition);
};

const buildCondition = ({
  sets,
  until,
}: {
  readonly sets: readonly DeniedSessions[];
  readonly until: number;
}): Condition => {
  const tags = Object.keys(sets[0]?.tags ?? {});
  const conditions = tags.map(
    (tag) => [`aws:PrincipalTag/${tag}`, toValues(sets.map((set) => set.tags[tag] ?? ''))] as const,
  );
  const pods = sets.flatMap(({ podName }) =>
    podName === undefined ? [] : [`*:${truncatePodName(podName)}@*`],
  );
  return {
    ...(conditions.length === 0 ? {} : { StringEquals: Object.fromEntries(conditions) }),
    ...(pods.length === 0 ? {} : { StringLike: { 'aws:userid': toValues(pods) } }),
    DateLessThanEquals: { 'aws:TokenIssueTime': formatWholeSeconds(until) },
  };
};

/** One value is written without a list. */
const toValues = (given: readonly string[]): string | readonly string[] => {
  const values = [...new Set(given)];
  const [only = ''] = values;
  return values.length === 1 ? only : values;
};

const formatWholeSeconds = (at: number): string => new Date(at).toISOString().replace('.000Z', 'Z');
