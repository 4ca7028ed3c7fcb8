import type { Task } from '../contract/task.ts';
import type { RunRefusal } from './run-refusal.ts';
import { formatFieldError, type FieldError } from '../schema/field-error.ts';

const buildRefusal = (code: string, message: string): RunRefusal => ({
  kind: 'refusal',
  nature: 'refused',
  code,
  message,
});

const formatTaskNames = (tasks: readonly Task[]): string =>
  tasks.map(({ name }) => name).join(', ');

export const routeUnknown = buildRefusal('route_unknown', 'No such route.');
export const runUnknown = buildRefusal('run_unknown', 'No such active run.');
export const refusalUnknown = buildRefusal(
  'refusal_unknown',
  'No such refusal among the last 32 of this container.',
);
export const nothingToPropose = buildRefusal(
  'nothing_to_propose',
  'The refusal has another cause than a right that is missing: no proposal could allow the call.',
);
export const proposalsUnsupported = buildRefusal(
  'proposals_unsupported',
  'No authority takes proposals (trust: cluster). Show people the proposal of GET /v1/refusals/{id}.',
);
export const internalError = buildRefusal(
  'internal_error',
  'Internal error of the sidecar. Its log names the route.',
);
export const userTokenUnsupported = buildRefusal(
  'user_token_unsupported',
  'userToken: expected none, because no authority verifies it (trust: cluster).',
);
export const delegationUnsupported = buildRefusal(
  'delegation_unsupported',
  'Delegation: expected none, because no authority decides about it (trust: cluster, or an older authority).',
);
export const taskNotDeclared = buildRefusal(
  'task_not_declared',
  'No task is declared for this container.',
);

export const buildTaskUnknownRefusal = (tasks: readonly Task[]): RunRefusal =>
  buildRefusal('task_unknown', `No such task. Tasks of this container: ${formatTaskNames(tasks)}.`);

export const buildTaskNotAllowedRefusal = (task: Task, consumer: string): RunRefusal =>
  buildRefusal(
    'task_not_allowed',
    `The task ${task.name} is not declared for container ${consumer}.`,
  );

export const buildNoDefaultTaskRefusal = (tasks: readonly Task[]): RunRefusal =>
  buildRefusal(
    'no_default_task',
    `This container has several tasks of provider aws and none is its default: ${formatTaskNames(tasks)}. Request one of them: GET /v1/tasks/{task}/credentials.`,
  );

/** Refuses the credentials of a task that has none to serve. */
export const buildNoCredentialsRefusal = ({ name }: Task): RunRefusal =>
  buildRefusal(
    'no_credentials',
    `The task ${name} has no credentials: the sidecar presents its secret. Send requests to the base URL /t/${name} of the gateway.`,
  );

export const buildParamsRequiredRefusal = ({ name, params }: Task): RunRefusal =>
  buildRefusal(
    'params_required',
    `The task ${name} has params (${Object.keys(params).join(', ')}). Start a run with POST /v1/tasks/${name}/runs.`,
  );

export const buildDelegationRequiredRefusal = ({ name }: Task): RunRefusal =>
  buildRefusal(
    'delegation_required',
    `The task ${name} has to be delegated. Start a run with POST /v1/tasks/${name}/runs and the handle of another agent.`,
  );

export const buildMethodNotAllowedRefusal = (allow: string): RunRefusal =>
  buildRefusal('method_not_allowed', `Method not allowed. Use ${allow}.`);

export const buildBadRequestRefusal = (faults: readonly FieldError[]): RunRefusal =>
  buildRefusal('bad_request', faults.map(formatFieldError).join('; '));
