import { createHash } from 'node:crypto';

import { createFairQueue } from '../../lib/async/fair-queue.ts';
import { createLruCache } from '../../lib/async/lru-cache.ts';
import type { EvaluateTask } from '../../lib/injection/task-policy.ts';
import type { PolicyDecision } from '../../lib/policy/decision.ts';
import { toUtcDay } from '../../lib/policy/vend-exceptions.ts';

/** At most a few megabytes: a decision has nine reasons, and the key is a digest. */
const MAX_ENTRIES = 1024;

/**
 * Caches decisions: all pods of a workload send the same request, and Cedar takes a millisecond for
 * each pair. Uncached requests wait in a queue that is fair between namespaces. Otherwise pods with
 * many new tasks would block probes, timers and all other responses for seconds.
 *
 * @param onQueued receives the number of requests in the queue after each change
 */
export const cacheDecisions = (
  evaluateTask: EvaluateTask,
  onQueued: (count: number) => void,
): EvaluateTask => {
  const recent = createLruCache<Promise<PolicyDecision>>(MAX_ENTRIES);
  const enqueue = createFairQueue();
  let queued = 0;
  const addQueued = (change: 1 | -1): void => onQueued((queued += change));
  onQueued(queued);
  return (policies, request) => {
    const { atMs, ...rest } = request;
    const key = hashRequest([policies.version, rest, toUtcDay(atMs)]);
    const cached = recent.get(key);
    if (cached !== undefined) return cached;
    const { namespace } = request.principal;
    addQueued(1);
    const decision = enqueue(namespace, () => evaluateTask(policies, request)).finally(() =>
      addQueued(-1),
    );
    recent.set(key, decision);
    decision.catch(() => recent.delete(key));
    return decision;
  };
};

/** The pod's author may write a task of 4 KiB, so the key is a digest. */
const hashRequest = (request: unknown): string =>
  createHash('sha256').update(JSON.stringify(request)).digest('base64');
