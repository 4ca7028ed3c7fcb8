import { Buffer } from 'node:buffer';
import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import { formatFieldError, escapeInvisible, type FieldError } from '../schema/field-error.ts';
import type { AdmissionOutcome } from './review.ts';

/** The API server may truncate longer ones. */
const MAX_WARNING_BYTES = 256;
const MAX_AUDIT_BYTES = 1024;
/** Limits the size of the response to a hostile pod. */
const MAX_FIELD_ERRORS = 100;

/** Notes of an outcome. People read them, so they are escaped and truncated here. */
export type OutcomeNotes = {
  /** Shown to the user who sent the request. */
  readonly warnings?: readonly string[];
  /** For the API server's audit log; names match `[A-Za-z0-9-]+`. */
  readonly auditAnnotations?: Readonly<Record<string, string>>;
};

/** Admits the object unchanged. */
export const allowed = (notes: OutcomeNotes = {}): AdmissionOutcome => ({
  allowed: true,
  ...renderNotes(notes),
});

/** Admits the object with these changes. Without operations it stays unchanged. */
export const patched = (
  operations: readonly JsonPatchOp[],
  notes: OutcomeNotes = {},
): AdmissionOutcome =>
  operations.length === 0
    ? allowed(notes)
    : {
        allowed: true,
        patchType: 'JSONPatch',
        patch: Buffer.from(JSON.stringify(operations)).toString('base64'),
        ...renderNotes(notes),
      };

/**
 * Denies the object with 403, one line for each fault.
 *
 * @param advice last lines of the message
 */
export const denied = (
  faults: readonly FieldError[],
  notes: OutcomeNotes = {},
  advice: readonly string[] = [],
): AdmissionOutcome => ({
  allowed: false,
  status: {
    status: 'Failure',
    code: 403,
    reason: 'Forbidden',
    message: [formatFieldErrors(faults), ...advice].join('\n'),
  },
  ...renderNotes(notes),
});

/**
 * There is no decision. The caller may be untrusted: `message` is constant and reveals no cause.
 *
 * @param code HTTP status: 400 for a request of another kind, 500 for an internal error, 503 if
 *   something that the decision needs is unavailable
 */
export const errored = (
  code: 400 | 500 | 503,
  message: string,
  notes: OutcomeNotes = {},
): AdmissionOutcome => ({
  allowed: false,
  status: { status: 'Failure', code, reason: REASONS[code], message: escapeInvisible(message) },
  ...renderNotes(notes),
});

const REASONS = { 400: 'BadRequest', 500: 'InternalError', 503: 'ServiceUnavailable' } as const;

const formatFieldErrors = (faults: readonly FieldError[]): string => {
  const lines = faults.slice(0, MAX_FIELD_ERRORS).map(formatFieldError);
  const more = faults.length - lines.length;
  return [...lines, ...(more > 0 ? [`and ${more} more`] : [])].join('\n');
};

const renderNotes = ({
  warnings = [],
  auditAnnotations = {},
}: OutcomeNotes): Partial<AdmissionOutcome> => {
  const notes = Object.entries(auditAnnotations).map(
    ([name, value]) => [name, truncateBytes(escapeInvisible(value), MAX_AUDIT_BYTES)] as const,
  );
  return {
    ...(warnings.length > 0 && {
      warnings: warnings.map((line) => truncateBytes(escapeInvisible(line), MAX_WARNING_BYTES)),
    }),
    ...(notes.length > 0 && { auditAnnotations: Object.fromEntries(notes) }),
  };
};

const ELLIPSIS = '…';

/** Truncates text to at most `max` bytes of UTF-8, between characters. */
const truncateBytes = (text: string, max: number): string => {
  if (Buffer.byteLength(text) <= max) return text;
  const maxTextBytes = max - Buffer.byteLength(ELLIPSIS);
  const kept = Buffer.from(text).subarray(0, maxTextBytes).toString();
  return `${kept.replace(/\uFFFD+$/u, '')}${ELLIPSIS}`;
};
