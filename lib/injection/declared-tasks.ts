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
      ...(trust === 'cluster' ? checkClusterTrust(result.value) : []),
    ];
    return faults.length > 0 ? fail(faults) : result;
  };

/**
 * Without an authority, nothing fetches the secret of an Upstream, decides about delegations, or records that a canary
 * was started.
 */
const checkClusterTrust = (tasks: readonly Task[]): readonly FieldError[] =>
  tasks.flatMap(({ name, provider, delegated, canary }) => {
    const source = `${TASK_ANNOTATION_PREFIX}${name}`;
    const missing = 'this cluster has no authority (trust: cluster)';
    return [
      ...(provider === 'aws'
        ? []
        : [{ source, path: 'provider', expected: `aws: ${missing}`, got: provider }]),
      ...(canary === undefined
        ? []
        : [{ source, path: 'canary', expected: `false: ${missing}`, got: 'true' }]),
      ...(delegated === undefined
        ? []
        : [{ source, path: 'delegated', expected: `refused: ${missing}`, got: delegated }]),
    ];
  });
