import { TASK_ANNOTATION_PREFIX } from '../../lib/contract/names.ts';
import type { Task } from '../../lib/contract/task.ts';
import type { ReadTasks } from '../../lib/injection/pod-admission.ts';
import type { Result } from '../../lib/reading/fault.ts';

/** Some megabytes at the very most: longer declarations, and refused ones, are read each time. */
const MAX_REMEMBERED = 256;
const MAX_KEY_LENGTH = 16 * 1024;

/**
 * Remembers what declarations mean, the least used forgotten first: mutation and validation of one
 * pod, and all pods of one workload, ask the same question. Nothing but task annotations and the
 * names of containers reaches `readTasks`, and both are the key, so an answer holds as long as what
 * `readTasks` is bound to: the program's life.
 */
export const rememberTasks = (readTasks: ReadTasks): ReadTasks => {
  const remembered = new Map<string, Result<readonly Task[]>>();
  const remember = (key: string, result: Result<readonly Task[]>): void => {
    remembered.delete(key);
    remembered.set(key, result);
    const [oldest] = remembered.keys();
    if (remembered.size > MAX_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
  };
  return async ({ annotations, consumers }) => {
    const declared = Object.entries(annotations).filter(([name]) =>
      name.startsWith(TASK_ANNOTATION_PREFIX),
    );
    const { containers, addressable } = consumers;
    const key = JSON.stringify([declared, containers, addressable]);
    const known = remembered.get(key);
    const result =
      known ?? (await readTasks({ annotations: Object.fromEntries(declared), consumers }));
    if (result.ok && key.length <= MAX_KEY_LENGTH) remember(key, result);
    return result;
  };
};
