import { AuditError } from '../audit/audit-event.ts';
import type { PendingApproval, TokenErrorResponse } from '../contract/authority-api.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { IdentityError } from '../identity/workload.ts';
import { truncateText } from '../schema/truncated-text.ts';
import { formatFieldError, escapeInvisible, type FieldError } from '../schema/field-error.ts';
import {
  EXCHANGE_REFUSALS,
  REFUSALS,
  type RequestErrorCode,
  type RefusalRow,
  type RefusalTable,
} from './refusal-table.ts';

/** A refused request. The message is returned to the caller, and shown to the owner of the pod. */
export class RequestError extends Error {
  override readonly name = 'RequestError';
  readonly code: RequestErrorCode;
  /** The policies that decided, if policy denied. */
  readonly policies: readonly string[] | undefined;
  /** How long to wait before a retry can succeed. */
  readonly retryAfterMs: number | undefined;
  /** What people are asked, if they are. */
  readonly approval: PendingApproval | undefined;

  constructor(
    code: RequestErrorCode,
    message: string,
    options: {
      cause?: unknown;
      policies?: readonly string[];
      retryAfterMs?: number;
      approval?: PendingApproval;
    } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.policies = options.policies;
    this.retryAfterMs = options.retryAfterMs;
    this.approval = options.approval;
  }
}

/** The error for invalid input: one line for each field error. */
export const newMalformedError = (
  code: RequestErrorCode,
  faults: readonly FieldError[],
): RequestError => new RequestError(code, faults.map(formatFieldError).join('\n'));

/** A refusal as it is returned, recorded and written to an Event. */
export type TokenRefusal = {
  /** Stable: a key of the refusal table. */
  readonly code: string;
  readonly row: Pick<RefusalRow, 'error' | 'status'>;
  readonly message: string;
  readonly policies?: readonly string[];
  readonly retryAfterMs?: number;
  readonly approval?: PendingApproval;
};

/** Default; the sidecar adds jitter. */
const RETRY_AFTER_MS = 1_000;

/** Converts an error of the pipeline to a refusal; undefined if it is an internal error. */
export const toRefusal = (error: unknown): TokenRefusal | undefined => {
  if (error instanceof RequestError) return fromRequestError(error);
  if (error instanceof IdentityError) return buildRefusal(error.code, error);
  if (error instanceof ExchangeError) return fromExchangeError(error);
  if (error instanceof AuditError) {
    return buildRefusal('audit_unavailable', { message: 'the audit record could not be written' });
  }
  return undefined;
};

/** The sidecar reads no longer messages; an Event holds a quarter of it. */
const MAX_MESSAGE_LENGTH = 4_000;

/** Renders the error response (RFC 6749, section 5.2). */
export const renderRefusal = ({
  code,
  row,
  message,
  policies,
  approval,
}: TokenRefusal): TokenErrorResponse => ({
  error: row.error,
  error_description: truncateText(message, MAX_MESSAGE_LENGTH),
  reason: code,
  ...(policies !== undefined && { policies }),
  ...(approval !== undefined && { approval }),
});

const buildRefusal = (
  code: string,
  {
    message,
    retryAfterMs = RETRY_AFTER_MS,
  }: { message: string; retryAfterMs?: number | undefined },
): TokenRefusal => {
  const row = findRow(REFUSALS, code) ?? UNKNOWN_CODE_ROW;
  const waits = row.status === 429 || row.status === 503;
  return { code, row, message: escapeMessage(message), ...(waits && { retryAfterMs }) };
};

/** Messages contain text of users and clouds, and are read in terminals. */
const escapeMessage = (message: string): string =>
  message.split('\n').map(escapeInvisible).join('\n');

/** A code may come from a cloud, so inherited members such as `constructor` must not match. */
const findRow = (table: RefusalTable, code: string): RefusalRow | undefined =>
  Object.hasOwn(table, code) ? table[code] : undefined;

/** An unknown code is a denial. */
const UNKNOWN_CODE_ROW = { error: 'access_denied', status: 403 } as const;

const fromRequestError = ({
  code,
  message,
  policies,
  retryAfterMs,
  approval,
}: RequestError): TokenRefusal => ({
  ...buildRefusal(code, { message, retryAfterMs }),
  ...(policies !== undefined && { policies }),
  ...(approval !== undefined && { approval }),
});

/** The documentation of STS adds `Exception` to some codes that its responses do not have. */
const fromExchangeError = ({ kind, code, message, retryAfterMs }: ExchangeError): TokenRefusal => {
  const plain = code.replace(/Exception$/, '');
  const row = findRow(EXCHANGE_REFUSALS, plain);
  const isKnown = row !== undefined && (row.status === 503) === (kind === 'unavailable');
  const fallback = kind === 'unavailable' ? 'cloud_unavailable' : 'cloud_refused';
  return buildRefusal(isKnown ? plain : fallback, { message, retryAfterMs });
};

/** The response to an internal error contains only the ID of its log line. */
export const buildInternalErrorRefusal = (id: string): TokenRefusal =>
  buildRefusal('internal_error', { message: `internal error ${id}` });
