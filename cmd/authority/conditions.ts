import { truncateText } from '../../lib/schema/truncated-text.ts';

/** One of `status.conditions` (Kubernetes API conventions, "Typical status properties"). */
export type Condition = {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime: string;
};

export type WantedCondition = Pick<Condition, 'type' | 'reason' | 'message'> & {
  readonly status: 'True' | 'False';
};

/** Writes conditions, unless the object was changed since it was read. */
export type WriteConditions = (change: {
  readonly name: string;
  readonly resourceVersion: string;
  readonly status: { readonly conditions: readonly Condition[] };
}) => Promise<'written' | 'conflict'>;

/** Read by people in a terminal. */
const MAX_MESSAGE_LENGTH = 4_000;

/**
 * Builds the conditions that an object should have. Those of other types are kept, except `obsolete` ones.
 *
 * @param state.now milliseconds since the epoch
 * @returns undefined if the object already has them
 */
export const updateConditions = (
  wanted: readonly WantedCondition[],
  {
    generation,
    conditions,
    now,
    obsolete = [],
  }: {
    generation: number;
    conditions: readonly Condition[];
    now: number;
    obsolete?: readonly string[];
  },
): readonly Condition[] | undefined => {
  const types = new Set(wanted.map(({ type }) => type));
  const built = wanted.map((each) => {
    const had = conditions.find(({ type }) => type === each.type);
    const message = truncateText(each.message, MAX_MESSAGE_LENGTH);
    const next = { ...each, message, observedGeneration: generation };
    if (had !== undefined && isSame(had, next)) return had;
    const lastTransitionTime =
      had?.status === each.status ? had.lastTransitionTime : new Date(now).toISOString();
    return { ...next, lastTransitionTime };
  });
  const others = conditions.filter(({ type }) => !types.has(type) && !obsolete.includes(type));
  const isUnchanged =
    built.every((each) => conditions.includes(each)) &&
    built.length + others.length === conditions.length;
  return isUnchanged ? undefined : [...others, ...built];
};

const isSame = (had: Condition, wanted: Omit<Condition, 'lastTransitionTime'>): boolean =>
  had.status === wanted.status &&
  had.reason === wanted.reason &&
  had.message === wanted.message &&
  had.observedGeneration === wanted.observedGeneration;

/** The conditions in a status as the API server returns it. */
export const readConditions = (status: unknown): readonly Condition[] => {
  const { conditions } = (status ?? {}) as { readonly conditions?: readonly Condition[] };
  return conditions ?? [];
};
