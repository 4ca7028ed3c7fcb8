import type { LoadCatalog } from '../catalog/catalog.ts';
import { TASK_ANNOTATION_PREFIX } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import { fail, type FieldError, type Result } from '../schema/field-error.ts';
import { maxPolicyLength } from '../scope/aws/policy-size.ts';
import { readTasks } from '../task/tasks.ts';
import type { ConsumerNames } from './consumers.ts';

/** Reads the tasks that annotations declare. The platform and the catalog are bound already. */
export type ReadTasks = (declared: {
  readonly annotations: Readonly<Record<string, string>>;
  readonly consumers: ConsumerNames;
}) => Promise<Result<readonly Task[]>>;

/**
 * Creates a reader of declared tasks with the platform's limits and the catalog. It rejects a task
 * whose session policy could exceed the limit of STS, so that no run fails for that reason.
 */
export const createTaskReader =
  ({ tasks: limits, cloud, trust }: Platform, loadCatalog: LoadCatalog): ReadTasks =>
  async (declared) => {
    const result = await readTasks({ ...declared, limits, cloud, loadCatalog });
    if (!result.ok) return result;
    const sizes = result.value
      .filter(({ provider }) => provider === 'aws')
      .map((task) => maxPolicyLength({ task, cloud }));
    const faults = [
      ...sizes.flatMap((size) => (size.ok ? [] : size.faults)),
      ...(trust === 'cluster' ? checkProviders(result.value) : []),
    ];
    return faults.length > 0 ? fail(faults) : result;
  };

/** Without an authority, nothing fetches the secret of an Upstream. */
const checkProviders = (tasks: readonly Task[]): readonly FieldError[] =>
  tasks
    .filter(({ provider }) => provider !== 'aws')
    .map(({ name, provider }) => ({
      source: `${TASK_ANNOTATION_PREFIX}${name}`,
      path: 'provider',
      expected: 'aws: this cluster has no authority (trust: cluster)',
      got: provider,
    }));
