import { TASK_ANNOTATION_PREFIX } from '../../lib/contract/names.ts';
import type { Task } from '../../lib/contract/task.ts';
import type { ReadTasks } from '../../lib/injection/declared-tasks.ts';
import type { Result } from '../../lib/schema/field-error.ts';
import { createLruCache } from '../../lib/async/lru-cache.ts';

/** At most a few megabytes. Long or invalid declarations are not cached. */
const MAX_ENTRIES = 256;
const MAX_KEY_LENGTH = 16 * 1024;

/**
 * Caches declared tasks: mutation and validation of a pod, and all pods of a workload, read the same
 * declarations. `readTasks` depends only on task annotations and container names, which form the key,
 * so an entry stays valid while the program runs.
 */
export const cacheTasks = (readTasks: ReadTasks): ReadTasks => {
  const recent = createLruCache<Result<readonly Task[]>>(MAX_ENTRIES);
  return async ({ annotations, consumers }) => {
    const declared = Object.entries(annotations).filter(([name]) =>
      name.startsWith(TASK_ANNOTATION_PREFIX),
    );
    const { containers, addressable } = consumers;
    const key = JSON.stringify([declared, containers, addressable]);
    const cached = recent.get(key);
    if (cached !== undefined) return cached;
    const result = await readTasks({ annotations: Object.fromEntries(declared), consumers });
    if (result.ok && key.length <= MAX_KEY_LENGTH) recent.set(key, result);
    return result;
  };
};
