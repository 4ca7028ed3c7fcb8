import { Buffer } from 'node:buffer';
import type { JsonPatchOp } from '../contract/json-patch-operation.ts';
import { formatFieldError, escapeInvisible, type FieldError } from '../schema/field-error.ts';
import type { AdmissionOutcome } from './review.ts';
import { truncateBytes } from './text.ts';

/** The API server may cut longer ones. */
const MAX_WARNING_BYTES = 256;
const MAX_AUDIT_BYTES = 1024;
/** A hostile pod could break rules by the hundred thousand: the answer stays small. */
const MAX_FIELD_ERRORS = 100;

/** What may go with any answer; both reach people, so both are escaped and cut here. */
export type OutcomeNotes = {
  /** Shown to whoever made the request. */
  readonly warnings?: readonly string[];
  /** Kept in the API server's audit log; names are `[A-Za-z0-9-]+`. */
  readonly auditAnnotations?: Readonly<Record<string, string>>;
};

/** The object is welcome as it is. */
export const allowed = (notes: OutcomeNotes = {}): AdmissionOutcome => ({
  allowed: true,
  ...renderNotes(notes),
});

/** The object is welcome once changed; no operations: as it is. */
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
 * The object breaks these rules: 403, one line for each breach.
 *
 * @param advice lines of our own that close the message
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
 * No judgement was reached. `message` is for strangers: constant text, nothing of a cause.
 *
 * @param code HTTP status; 400 for a request that is not ours to judge, 500 for a bug, 503 for a
 *   lack of something we need
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
