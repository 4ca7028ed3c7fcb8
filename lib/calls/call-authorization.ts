import { boundText } from '../audit/bounded-text.ts';
import type { TaskStatement } from '../contract/task.ts';
import { InputError } from '../operations/input-error.ts';
import type { Operation, Permission, RecognizableRequest } from '../operations/operation.ts';
import { listPermissions, type PermissionRequest } from '../operations/permissions.ts';
import type { RecognizeOperation } from '../operations/recognize.ts';
import { parseForm } from '../operations/request-body.ts';
import type { OperationTable } from '../operations/table.ts';
import type { CallRefusal } from './call-refusals.ts';
import { refuseCall, type CallResult } from './call-request.ts';
import { evaluateCall } from './call-evaluation.ts';

/** The services of a signing name. */
export type SigningService = {
  readonly table: OperationTable;
  readonly recognize: RecognizeOperation;
};

/** What a call needs, and why it is refused if it is. */
export type CallAuthorization = {
  /** Of a refused call the refused permission is the last one; none if they are not known. */
  readonly permissions: readonly Permission[];
  /** Whether each resource was read from the request; else the session policy alone limits it. */
  readonly isResolved: boolean;
  readonly refusal?: CallRefusal;
  /** What is refused as outside of the task although a statement covers it. */
  readonly excluded?: Permission;
};

/**
 * Reads the form of protocol `query`, by which an operation is recognized.
 *
 * @returns undefined for other bodies, and for services without forms
 */
export const readForm = (
  { table }: SigningService,
  headers: ReadonlyMap<string, string>,
  body: Uint8Array | undefined,
): CallResult<ReadonlyMap<string, string> | undefined> => {
  const hasForms = table.services.some(({ protocols }) =>
    protocols.some((name) => name === 'query' || name === 'ec2'),
  );
  try {
    return { ok: true, value: hasForms ? parseForm(headers, body) : undefined };
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return refuseCall('request_malformed', error.message);
  }
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

/** Without the actions that a statement names by a pattern. */
const keepLiteral = (allow: readonly TaskStatement[]): readonly TaskStatement[] =>
  allow.map((statement) => ({
    ...statement,
    actions: statement.actions.filter((action) => !/[*?]/.test(action)),
  }));

const describeMinting = ({ service, name }: Operation): string =>
  `${service} ${name} gives out what works after the run: the task must name its action without wildcards`;

/** Of a resource in a message: an ARN with the longest key of S3. */
const MAX_RESOURCE_LENGTH = 1_200;

/** A resource may be as long as a body, and have any characters. */
const describeOutside = ({ action, resource, within = resource }: Permission, task: string) =>
  `${action}${within === undefined ? '' : ` on ${boundText(within, MAX_RESOURCE_LENGTH)}`} is outside task ${task}`;

/**
 * Decides whether a recognized call is within the task of its run.
 *
 * @param call with the region of its signature, and partition and account of the role
 */
export const authorizeCall = (
  { table }: SigningService,
  call: PermissionRequest,
  { name, allow }: { name: string; allow: readonly TaskStatement[] },
): CallAuthorization => {
  const result = listPermissions(table, call);
  if (!result.ok) {
    return {
      permissions: [],
      isResolved: false,
      refusal: { code: result.code, message: result.message },
    };
  }
  const { permissions, isMinting } = result;
  const decision = evaluateCall(permissions, allow);
  if (!decision.isAllowed) {
    const { code, permission } = decision;
    return {
      permissions: [...permissions.filter((each) => each !== permission), permission],
      isResolved: permissions.every(({ resource }) => resource !== undefined),
      refusal: { code, message: describeOutside(permission, name) },
    };
  }
  const { isResolved } = decision;
  return isMinting && !evaluateCall(permissions, keepLiteral(allow)).isAllowed
    ? {
        permissions,
        isResolved,
        refusal: { code: 'operation_mints', message: describeMinting(call.operation) },
      }
    : { permissions, isResolved };
};
