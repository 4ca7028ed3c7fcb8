import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { ReadTasks } from '../../lib/injection/pod-admission.ts';
import { fail } from '../../lib/reading/fault.ts';
import { longestSessionPolicy } from '../../lib/scope/aws/policy-size.ts';
import { readTasks } from '../../lib/task/tasks.ts';

/** Reads declared tasks as admission does: by the platform's limits, the catalogue and STS's. */
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
