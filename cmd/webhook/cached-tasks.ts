import { TASK_ANNOTATION_PREFIX } from '../../lib/contract/names.ts';
import type { Task } from '../../lib/contract/task.ts';
import type { ReadTasks } from '../../lib/injection/declared-tasks.ts';
import type { Result } from '../../lib/schema/field-error.ts';
import { createLruCache } from '../../lib/async/lru-cache.ts';

/** Some megabytes at the very most: longer declarations, and refused ones, are read each time. */
const MAX_ENTRIES = 256;
const MAX_KEY_LENGTH = 16 * 1024;

/**
 * Remembers what declarations mean: mutation and validation of one pod, and all pods of one workload,
 * ask the same question. Nothing but task annotations and the names of containers reaches
 * `readTasks`, and both are the key, so an answer holds as long as what `readTasks` is bound to: the
 * program's life.
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
