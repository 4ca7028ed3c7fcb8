import type { Task } from '../../lib/contract/task.ts';

/** `GET /v1/tasks`: what a consumer may run, and what it has to give, as UTF-8 JSON. */
export const renderTasks = (tasks: readonly Task[]): Buffer =>
  Buffer.from(
    JSON.stringify({
      tasks: tasks.map(
        ({ name, default: isDefault, exclusive, lifetimeSeconds, params, purpose }) => ({
          name,
          default: isDefault,
          exclusive,
          lifetimeSeconds,
          params,
          ...(purpose === undefined ? {} : { purpose }),
        }),
      ),
    }),
  );
