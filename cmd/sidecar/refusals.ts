import type { Task } from '../../lib/contract/task.ts';
import type { Refusal } from '../../lib/credentials/refusal.ts';
import { describeFault, type Fault } from '../../lib/reading/fault.ts';

const refused = (code: string, message: string): Refusal => ({
  kind: 'refusal',
  nature: 'refused',
  code,
  message,
});

const namesOf = (tasks: readonly Task[]): string => tasks.map(({ name }) => name).join(', ');

export const unknownRoute = refused('unknown_route', 'There is nothing here.');
export const runNotLive = refused('run_not_live', 'The run has ended, or never was.');
export const internalError = refused('internal_error', 'The sidecar failed unexpectedly.');
export const userTokenUnsupported = refused(
  'user_token_unsupported',
  'userToken needs an authority that verifies it; this cluster has none (trust: cluster).',
);
export const noTask = refused('no_task', 'This consumer may run no task.');

export const unknownTask = (tasks: readonly Task[]): Refusal =>
  refused('unknown_task', `There is no such task. This consumer may run: ${namesOf(tasks)}.`);

export const taskNotAllowed = (task: Task, consumer: string): Refusal =>
  refused('task_not_allowed', `The task ${task.name} is not declared for container ${consumer}.`);

export const noDefaultTask = (tasks: readonly Task[]): Refusal =>
  refused(
    'no_default_task',
    `This consumer may run several tasks and none is its default: ${namesOf(tasks)}. Ask for one: GET /v1/tasks/{task}/credentials.`,
  );

export const paramsRequired = ({ name, params }: Task): Refusal =>
  refused(
    'params_required',
    `The task ${name} has params (${Object.keys(params).join(', ')}): start a run with POST /v1/tasks/${name}/runs.`,
  );

export const methodNotAllowed = (allow: string): Refusal =>
  refused('method_not_allowed', `Only ${allow} is answered here.`);

export const badRequest = (faults: readonly Fault[]): Refusal =>
  refused('bad_request', faults.map(describeFault).join('; '));
