import type { LoadCatalogue } from '../catalogue/catalogue.ts';
import type { Platform } from '../contract/platform.ts';
import type { ReadTasks } from './pod-judgement.ts';
import { fail } from '../reading/fault.ts';
import { longestSessionPolicy } from '../scope/aws/policy-size.ts';
import { readTasks } from '../task/tasks.ts';

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
