import type { Task } from '../../lib/contract/task.ts';
import type { RunRefusal } from '../../lib/runs/run-refusal.ts';
import { formatFieldError, type FieldError } from '../../lib/schema/field-error.ts';

const buildRefusal = (code: string, message: string): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code,
  message,
});

const formatTaskNames = (tasks: readonly Task[]): string =>
  tasks.map(({ name }) => name).join(', ');

export const routeUnknown = buildRefusal('route_unknown', 'There is nothing here.');
export const runUnknown = buildRefusal('run_unknown', 'The run has ended, or never was.');
export const internalError = buildRefusal('internal_error', 'The sidecar failed unexpectedly.');
export const userTokenUnsupported = buildRefusal(
  'user_token_unsupported',
  'userToken needs an authority that verifies it; this cluster has none (trust: cluster).',
);
export const taskNotDeclared = buildRefusal('task_not_declared', 'This consumer may run no task.');

export const buildTaskUnknownRefusal = (tasks: readonly Task[]): RunRefusal =>
  buildRefusal(
    'task_unknown',
    `There is no such task. This consumer may run: ${formatTaskNames(tasks)}.`,
  );

export const buildTaskNotAllowedRefusal = (task: Task, consumer: string): RunRefusal =>
  buildRefusal(
    'task_not_allowed',
    `The task ${task.name} is not declared for container ${consumer}.`,
  );

export const buildNoDefaultTaskRefusal = (tasks: readonly Task[]): RunRefusal =>
  buildRefusal(
    'no_default_task',
    `This consumer may run several tasks and none is its default: ${formatTaskNames(tasks)}. Ask for one: GET /v1/tasks/{task}/credentials.`,
  );

export const buildParamsRequiredRefusal = ({ name, params }: Task): RunRefusal =>
  buildRefusal(
    'params_required',
    `The task ${name} has params (${Object.keys(params).join(', ')}): start a run with POST /v1/tasks/${name}/runs.`,
  );

export const buildMethodNotAllowedRefusal = (allow: string): RunRefusal =>
  buildRefusal('method_not_allowed', `Only ${allow} is answered here.`);

export const buildBadRequestRefusal = (faults: readonly FieldError[]): RunRefusal =>
  buildRefusal('bad_request', faults.map(formatFieldError).join('; '));
