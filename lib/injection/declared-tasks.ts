import type { LoadCatalogue } from '../catalogue/catalogue.ts';
import type { Platform } from '../contract/platform.ts';
import type { Pod } from '../contract/pod.ts';
import type { Task } from '../contract/task.ts';
import { fail, succeed, type Result } from '../reading/fault.ts';
import { longestSessionPolicy } from '../scope/aws/policy-size.ts';
import { readTasks } from '../task/tasks.ts';
import { candidateConsumers, declaresTasks, type ConsumerNames } from './consumers.ts';

/** Reads the tasks that annotations declare; limits, catalogue and dialect are bound by the program. */
export type ReadTasks = (declared: {
  readonly annotations: Readonly<Record<string, string>>;
  readonly consumers: ConsumerNames;
}) => Promise<Result<readonly Task[]>>;

/**
 * Reads declared tasks by the platform's limits and the catalogue; a task whose session policy could
 * grow past what STS takes is refused here, not when its run starts.
 */
export const declaredTasks =
  ({ tasks: limits, cloud }: Platform, loadCatalogue: LoadCatalogue): ReadTasks =>
  async (declared) => {
    const { dialect } = cloud;
    const result = await readTasks({ ...declared, limits, dialect, loadCatalogue });
    if (!result.ok) return result;
    const sizes = result.value.map((task) => longestSessionPolicy({ task, cloud }));
    const faults = sizes.flatMap((size) => (size.ok ? [] : size.faults));
    return faults.length > 0 ? fail(faults) : result;
  };

/** The tasks that a new pod declares. */
export const readDeclared = (
  pod: Pod,
  platform: Platform,
  read: ReadTasks,
): Promise<Result<readonly Task[]>> =>
  declaresTasks(pod)
    ? read({
        annotations: pod.metadata?.annotations ?? {},
        consumers: candidateConsumers(pod, platform),
      })
    : Promise.resolve(succeed([]));
