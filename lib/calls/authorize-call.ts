import type { TaskStatement } from '../contract/task.ts';
import type { Operation, RecognizableRequest } from '../operations/operation.ts';
import { listPermissions, type Permission } from '../operations/permissions.ts';
import type { RecognizeOperation } from '../operations/recognize.ts';
import type { OperationTable } from '../operations/table.ts';
import { refuseCall, type CallResult } from './call-request.ts';
import { evaluateCall } from './evaluate-call.ts';

/** The services of a signing name. */
export type SigningService = {
  readonly table: OperationTable;
  readonly recognize: RecognizeOperation;
};

/** A call that is within its task. */
export type AuthorizedCall = {
  readonly operation: Operation;
  readonly permissions: readonly Permission[];
  /** Whether each resource was read from the request; else the session policy alone limits it. */
  readonly isResolved: boolean;
};

/** Recognizes a call before its body is read: DeleteObjects and forms need it to decide. */
export const recognizeCall = (
  { recognize }: SigningService,
  request: RecognizableRequest,
): CallResult<Operation> => {
  const recognition = recognize(request);
  return recognition.ok
    ? { ok: true, value: recognition.operation }
    : { ok: false, refusal: { code: recognition.code, message: recognition.message } };
};

/**
 * Decides whether a recognized call is within the task of its run.
 *
 * @param partition of the ARNs that tasks of this cloud name
 */
export const authorizeCall = (
  { table }: SigningService,
  call: {
    operation: Operation;
    request: RecognizableRequest;
    body?: Uint8Array;
    partition: string;
  },
  { name, allow }: { name: string; allow: readonly TaskStatement[] },
): CallResult<AuthorizedCall> => {
  const { operation } = call;
  const permissions = listPermissions(table, call);
  if (permissions === undefined) {
    return refuseCall(
      'operation_unmapped',
      `the permissions of ${operation.service} ${operation.name} are not known`,
    );
  }
  const decision = evaluateCall(permissions, allow);
  if (decision.isAllowed) {
    return { ok: true, value: { operation, permissions, isResolved: decision.isResolved } };
  }
  const { action, resource } = decision.permission;
  const on = resource === undefined ? '' : ` on ${resource}`;
  return refuseCall(decision.code, `${action}${on} is outside task ${name}`);
};
