import { AuditError } from '../audit/audit-event.ts';
import type { TokenErrorResponse } from '../contract/authority-api.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { IdentityError } from '../identity/workload.ts';
import { formatFieldError, escapeInvisible, type FieldError } from '../schema/field-error.ts';
import {
  EXCHANGE_REFUSALS,
  REFUSALS,
  type IssuingCode,
  type RefusalRow,
  type RefusalTable,
} from './refusal-table.ts';

/** Why a run is not issued. Its message is for the caller, and for the pod's owner. */
export class IssuingError extends Error {
  override readonly name = 'IssuingError';
  readonly code: IssuingCode;
  /** The policies that decided, where policy did. */
  readonly policies: readonly string[] | undefined;
  /** How long to wait before another try makes sense. */
  readonly retryAfterMs: number | undefined;

  constructor(
    code: IssuingCode,
    message: string,
    options: { cause?: unknown; policies?: readonly string[]; retryAfterMs?: number } = {},
  ) {
    super(message, { cause: options.cause });
    this.code = code;
    this.policies = options.policies;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The error for input that is wrong: every fault, one a line. */
export const newMalformedError = (code: IssuingCode, faults: readonly FieldError[]): IssuingError =>
  new IssuingError(code, faults.map(formatFieldError).join('\n'));

/** A refusal as it is answered, recorded and told. */
export type TokenRefusal = {
  /** Stable: a key of the table of refusals. */
  readonly code: string;
  readonly row: Pick<RefusalRow, 'error' | 'status'>;
  readonly message: string;
  readonly policies?: readonly string[];
  readonly retryAfterMs?: number;
};

/** Where nothing says how long: soon, and not all at the same moment (the sidecar adds jitter). */
const RETRY_AFTER_MS = 1_000;

/**
 * What an error of the pipeline is to the caller; nothing when it is a bug of ours. Of an identity
 * or a cloud that we could not ask, the message says so and no more.
 */
export const toRefusal = (error: unknown): TokenRefusal | undefined => {
  if (error instanceof IssuingError) return fromIssuingError(error);
  if (error instanceof IdentityError) return buildRefusal(error.code, error);
  if (error instanceof ExchangeError) return fromExchangeError(error);
  if (error instanceof AuditError) {
    return buildRefusal('audit_unavailable', { message: 'no record could be kept' });
  }
  return undefined;
};

/** A sidecar reads no longer ones, and an Event holds a quarter of it. */
const MAX_MESSAGE_LENGTH = 4_000;

/** RFC 6749, section 5.2, as this refusal. */
export const renderRefusal = ({
  code,
  row,
  message,
  policies,
}: TokenRefusal): TokenErrorResponse => ({
  error: row.error,
  error_description:
    message.length > MAX_MESSAGE_LENGTH ? `${message.slice(0, MAX_MESSAGE_LENGTH)}…` : message,
  reason: code,
  ...(policies !== undefined && { policies }),
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

/** Reasons of people and of clouds come along; answers, Events and logs are read in terminals. */
const escapeMessage = (message: string): string =>
  message.split('\n').map(escapeInvisible).join('\n');

/** A code may be a cloud's: what every object has is no row. */
const findRow = (table: RefusalTable, code: string): RefusalRow | undefined =>
  Object.hasOwn(table, code) ? table[code] : undefined;

/** A code that no table knows is still a no. */
const UNKNOWN_CODE_ROW = { error: 'access_denied', status: 403 } as const;

const fromIssuingError = ({
  code,
  message,
  policies,
  retryAfterMs,
}: IssuingError): TokenRefusal => ({
  ...buildRefusal(code, { message, retryAfterMs }),
  ...(policies !== undefined && { policies }),
});

/** STS's documentation adds `Exception` to some of its codes, its answers do not. */
const fromExchangeError = ({ kind, code, message, retryAfterMs }: ExchangeError): TokenRefusal => {
  const plain = code.replace(/Exception$/, '');
  const row = findRow(EXCHANGE_REFUSALS, plain);
  const isKnown = row !== undefined && (row.status === 503) === (kind === 'unavailable');
  const otherwise = kind === 'unavailable' ? 'cloud_unavailable' : 'cloud_refused';
  return buildRefusal(isKnown ? plain : otherwise, { message, retryAfterMs });
};

/** A bug says nothing of itself but where to look. */
export const buildInternalErrorRefusal = (id: string): TokenRefusal =>
  buildRefusal('internal_error', { message: `internal error ${id}` });
