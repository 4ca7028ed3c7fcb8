import { truncateText } from '../../lib/schema/truncated-text.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { PolicyFindings } from '../../lib/policy/policy-findings.ts';
import { startReconcileLoop, type ReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { OnFailure } from './failures.ts';

/** A TaskPolicy as the API server returns it. */
export type StoredPolicy = {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
  };
  readonly spec?: unknown;
  readonly status?: unknown;
};

/** One of `status.conditions` (Kubernetes API conventions, "Typical status properties"). */
export type Condition = {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly observedGeneration?: number;
  readonly lastTransitionTime: string;
};

const READY = 'Ready';
/** Read by people in a terminal. */
const MAX_MESSAGE_LENGTH = 4_000;

/**
 * The conditions that a TaskPolicy should have; undefined if it already has them.
 *
 * @param now milliseconds since the epoch
 */
const buildConditions = (
  { faults, warnings, policies }: Pick<PolicyFindings, 'faults' | 'warnings' | 'policies'>,
  {
    generation,
    conditions,
    now,
  }: { generation: number; conditions: readonly Condition[]; now: number },
): readonly Condition[] | undefined => {
  const isValid = faults.length === 0;
  const wanted = {
    type: READY,
    status: isValid ? 'True' : 'False',
    reason: isValid ? 'Valid' : 'Invalid',
    message: formatMessage(
      isValid ? [`policies: ${policies.join(', ')}`, ...warnings] : faults.map(formatFieldError),
    ),
    observedGeneration: generation,
  };
  const had = conditions.find(({ type }) => type === READY);
  if (had !== undefined && isSame(had, wanted)) return undefined;
  const lastTransitionTime =
    had?.status === wanted.status ? had.lastTransitionTime : new Date(now).toISOString();
  const others = conditions.filter(({ type }) => type !== READY);
  return [...others, { ...wanted, lastTransitionTime }];
};

const isSame = (had: Condition, wanted: Omit<Condition, 'lastTransitionTime'>): boolean =>
  had.status === wanted.status &&
  had.reason === wanted.reason &&
  had.message === wanted.message &&
  had.observedGeneration === wanted.observedGeneration;

const formatMessage = (lines: readonly string[]): string => {
  const text = lines.join('\n');
  return truncateText(text, MAX_MESSAGE_LENGTH);
};

export type PolicyStatusDeps = {
  readonly writeStatus: (change: {
    readonly name: string;
    readonly resourceVersion: string;
    readonly status: { readonly conditions: readonly Condition[] };
  }) => Promise<'written' | 'conflict'>;
  readonly clock: Pick<Clock, 'now'>;
  readonly random: () => number;
  readonly onFailure: OnFailure;
};

const RETRY = { firstMs: 500, maxMs: 30_000 };
const DAY_MS = 86_400_000;

/**
 * Writes the findings to the status of each TaskPolicy. Replicas of two versions may have different
 * findings, so each writes only once per generation.
 */
export const startStatusWriter = (
  { clock, random, writeStatus, onFailure }: PolicyStatusDeps,
  state: () => {
    readonly all: readonly StoredPolicy[];
    readonly findings: readonly PolicyFindings[];
  },
): ReconcileLoop => {
  const written = new Map<string, string>();
  const writeConditions = async (policy: StoredPolicy, findings: PolicyFindings): Promise<void> => {
    const { name, uid, resourceVersion, generation = 0 } = policy.metadata;
    if (written.get(uid) === buildGenerationKey(policy)) return;
    const had = { generation, conditions: readConditions(policy), now: clock.now() };
    const conditions = buildConditions(findings, had);
    if (conditions === undefined) return;
    const outcome = await writeStatus({ name, resourceVersion, status: { conditions } });
    if (outcome === 'written') written.set(uid, buildGenerationKey(policy));
  };
  const reconcile = async (): Promise<number> => {
    const { all, findings } = state();
    const live = new Set(all.map(({ metadata }) => metadata.uid));
    for (const uid of written.keys()) if (!live.has(uid)) written.delete(uid);
    for (const policy of all) {
      const found = findings.find(({ name }) => name === policy.metadata.name);
      if (found !== undefined) await writeConditions(policy, found);
    }
    return DAY_MS;
  };
  return startReconcileLoop({
    reconcile,
    onFailure: (error) => onFailure('policy status not written', error),
    retry: RETRY,
    random,
  });
};

/** Identifies a TaskPolicy and its text. */
export const buildGenerationKey = ({ metadata: { uid, generation = 0 } }: StoredPolicy): string =>
  `${uid} ${generation}`;

const readConditions = ({ status }: StoredPolicy): readonly Condition[] => {
  const { conditions } = (status ?? {}) as { readonly conditions?: readonly Condition[] };
  return conditions ?? [];
};
