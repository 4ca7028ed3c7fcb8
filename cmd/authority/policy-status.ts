import { formatFieldError } from '../../lib/schema/field-error.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { PolicyFindings } from '../../lib/policy/policy-findings.ts';
import { startReconcileLoop, type ReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import { buildSpecKey } from '../../lib/server/spec-keys.ts';
import {
  readConditions,
  updateConditions,
  type Condition,
  type WriteConditions,
} from './conditions.ts';
import type { OnFailure } from './failures.ts';
import type { StoredObject } from './stored-objects.ts';

const READY = 'Ready';
/** @param state.now milliseconds since the epoch */
const buildConditions = (
  { faults, warnings, policies }: Pick<PolicyFindings, 'faults' | 'warnings' | 'policies'>,
  state: { generation: number; conditions: readonly Condition[]; now: number },
): readonly Condition[] | undefined => {
  const isValid = faults.length === 0;
  const lines = isValid
    ? [`policies: ${policies.join(', ')}`, ...warnings]
    : faults.map(formatFieldError);
  const [status, reason] = isValid ? (['True', 'Valid'] as const) : (['False', 'Invalid'] as const);
  return updateConditions([{ type: READY, status, reason, message: lines.join('\n') }], state);
};

export type PolicyStatusDeps = {
  readonly writeStatus: WriteConditions;
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
    readonly all: readonly StoredObject[];
    readonly findings: readonly PolicyFindings[];
  },
): ReconcileLoop => {
  const written = new Map<string, string>();
  const writeConditions = async (policy: StoredObject, findings: PolicyFindings): Promise<void> => {
    const { name, uid, resourceVersion, generation = 0 } = policy.metadata;
    if (written.get(uid) === buildSpecKey(policy)) return;
    const had = { generation, conditions: readConditions(policy.status), now: clock.now() };
    const conditions = buildConditions(findings, had);
    if (conditions === undefined) return;
    const outcome = await writeStatus({ name, resourceVersion, status: { conditions } });
    if (outcome === 'written') written.set(uid, buildSpecKey(policy));
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
