import { createHash } from 'node:crypto';

import type { AdmissionPolicyRequest, PolicyDecision } from '../../lib/policy/decision.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { createFairQueue } from '../../lib/async/fair-queue.ts';
import { createLruCache } from '../../lib/async/lru-cache.ts';

/** What policies say of a task at admission: by these two alone, so that it may be remembered. */
export type EvaluateAtAdmission = (
  policies: CompiledPolicies,
  question: AdmissionPolicyRequest,
) => Promise<PolicyDecision>;

/** A few megabytes at the very most: a decision gives nine reasons, and its question is a digest. */
const MAX_ENTRIES = 1024;

/**
 * Remembers decisions: all pods of one workload ask the same, and Cedar takes a millisecond for each
 * pair. New ones are made in turns of namespaces: pods that are new in many tasks would keep probes,
 * timers and everybody's answers waiting for seconds.
 */
export const cacheDecisions = (decide: EvaluateAtAdmission): EvaluateAtAdmission => {
  const recent = createLruCache<Promise<PolicyDecision>>(MAX_ENTRIES);
  const takeTurn = createFairQueue();
  return (policies, question) => {
    const key = hashRequest([policies.version, question]);
    const cached = recent.get(key);
    if (cached !== undefined) return cached;
    const { namespace } = question.principal;
    const decision = takeTurn(namespace, () => decide(policies, question));
    recent.set(key, decision);
    decision.catch(() => recent.delete(key));
    return decision;
  };
};

/** A task may be 4 KiB long, and is written by a pod's author. */
const hashRequest = (asked: unknown): string =>
  createHash('sha256').update(JSON.stringify(asked)).digest('base64');
