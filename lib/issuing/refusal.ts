import { AuditError } from '../audit/record.ts';
import type { TokenErrorAnswer } from '../contract/authority.ts';
import { ExchangeError } from '../credentials/exchange.ts';
import { IdentityError } from '../identity/workload.ts';
import { describeFault, escapeInvisible, type Fault } from '../reading/fault.ts';
import {
  EXCHANGE_REFUSALS,
  REFUSALS,
  type IssuingCode,
  type RefusalRow,
  type RefusalTable,
} from './refusals.ts';

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
export const malformedBy = (code: IssuingCode, faults: readonly Fault[]): IssuingError =>
  new IssuingError(code, faults.map(describeFault).join('\n'));

/** A refusal as it is answered, recorded and told. */
export type Refusal = {
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
export const toRefusal = (error: unknown): Refusal | undefined => {
  if (error instanceof IssuingError) return ofIssuing(error);
  if (error instanceof IdentityError) return refusal(error.code, error);
  if (error instanceof ExchangeError) return ofExchange(error);
  if (error instanceof AuditError) {
    return refusal('audit_unavailable', { message: 'no record could be kept' });
  }
  return undefined;
};

/** A sidecar reads no longer ones, and an Event holds a quarter of it. */
const MAX_MESSAGE = 4_000;

/** RFC 6749, section 5.2, as this refusal. */
export const renderRefusal = ({ code, row, message, policies }: Refusal): TokenErrorAnswer => ({
  error: row.error,
  error_description: message.length > MAX_MESSAGE ? `${message.slice(0, MAX_MESSAGE)}…` : message,
  reason: code,
  ...(policies !== undefined && { policies }),
});

const refusal = (
  code: string,
  {
    message,
    retryAfterMs = RETRY_AFTER_MS,
  }: { message: string; retryAfterMs?: number | undefined },
): Refusal => {
  const row = rowOf(REFUSALS, code) ?? UNKNOWN;
  const waits = row.status === 429 || row.status === 503;
  return { code, row, message: readable(message), ...(waits && { retryAfterMs }) };
};

/** Reasons of people and of clouds come along; answers, Events and logs are read in terminals. */
const readable = (message: string): string => message.split('\n').map(escapeInvisible).join('\n');

/** A code may be a cloud's: what every object has is no row. */
const rowOf = (table: RefusalTable, code: string): RefusalRow | undefined =>
  Object.hasOwn(table, code) ? table[code] : undefined;

/** A code that no table knows is still a no. */
const UNKNOWN = { error: 'access_denied', status: 403 } as const;

const ofIssuing = ({ code, message, policies, retryAfterMs }: IssuingError): Refusal => ({
  ...refusal(code, { message, retryAfterMs }),
  ...(policies !== undefined && { policies }),
});

/** STS's documentation adds `Exception` to some of its codes, its answers do not. */
const ofExchange = ({ kind, code, message, retryAfterMs }: ExchangeError): Refusal => {
  const plain = code.replace(/Exception$/, '');
  const row = rowOf(EXCHANGE_REFUSALS, plain);
  const isKnown = row !== undefined && (row.status === 503) === (kind === 'unavailable');
  const otherwise = kind === 'unavailable' ? 'cloud_unavailable' : 'cloud_refused';
  return refusal(isKnown ? plain : otherwise, { message, retryAfterMs });
};

/** A bug says nothing of itself but where to look. */
export const bugRefusal = (id: string): Refusal =>
  refusal('internal_error', { message: `internal error ${id}` });
