import type { AdmittedTasks, Task } from '../contract/task.ts';
import {
  buildNoCredentialsRefusal,
  buildNoDefaultTaskRefusal,
  buildParamsRequiredRefusal,
  buildTaskNotAllowedRefusal,
  buildTaskUnknownRefusal,
  taskNotDeclared,
} from './request-refusals.ts';
import type { RunRefusal } from './run-refusal.ts';

export type TaskSelection = { readonly kind: 'task'; readonly task: Task } | RunRefusal;

/** The tasks that a consumer may run. */
export const listConsumerTasks = ({ tasks }: AdmittedTasks, consumer: string): readonly Task[] =>
  tasks.filter(({ containers }) => containers.includes(consumer));

/**
 * Selects the task whose credentials are served without params: the named one, or the consumer's
 * only or default task if `taskName` is undefined.
 */
export const selectTask = (
  admitted: AdmittedTasks,
  { consumer, taskName }: { readonly consumer: string; readonly taskName: string | undefined },
): TaskSelection => {
  if (taskName === undefined) {
    const all = listConsumerTasks(admitted, consumer);
    // A canary must not change what other tasks do.
    const serving = all.filter(({ provider, canary }) => provider === 'aws' && canary !== true);
    return selectDefaultTask(serving);
  }
  const found = findTask(admitted, { consumer, taskName });
  if (found.kind === 'refusal') return found;
  if (found.task.provider !== 'aws') return buildNoCredentialsRefusal(found.task);
  const hasParams = Object.keys(found.task.params).length > 0;
  return hasParams ? buildParamsRequiredRefusal(found.task) : found;
};

const selectDefaultTask = (tasks: readonly Task[]): TaskSelection => {
  const [first] = tasks;
  if (first === undefined) return taskNotDeclared;
  const task = tasks.length === 1 ? first : tasks.find(({ default: isDefault }) => isDefault);
  if (task === undefined) return buildNoDefaultTaskRefusal(tasks);
  return Object.keys(task.params).length > 0
    ? buildParamsRequiredRefusal(task)
    : { kind: 'task', task };
};

/** Finds a task by name, if the consumer may run it. */
export const findTask = (
  admitted: AdmittedTasks,
  { consumer, taskName }: { readonly consumer: string; readonly taskName: string },
): TaskSelection => {
  const task = admitted.tasks.find(({ name }) => name === taskName);
  if (task === undefined) return buildTaskUnknownRefusal(listConsumerTasks(admitted, consumer));
  return task.containers.includes(consumer)
    ? { kind: 'task', task }
    : buildTaskNotAllowedRefusal(task, consumer);
};
