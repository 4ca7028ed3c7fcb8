/**
 * Clouds report the same refusal differently: a class lists every status and code that one of them uses.
 * A response in no class of its case is a difference.
 */
const OUTCOME_CLASSES = {
  done: { statuses: [200, 204], codes: [''] },
  /** The keys do not allow this. A response to HEAD has no body, so no code. */
  denied: { statuses: [403], codes: ['AccessDenied', ''] },
  absent: { statuses: [404], codes: ['NoSuchKey', ''] },
  'unknown keys': { statuses: [403], codes: ['InvalidAccessKeyId'] },
  'wrong signature': { statuses: [403], codes: ['SignatureDoesNotMatch'] },
  'wrong session token': {
    statuses: [400, 403],
    codes: ['InvalidToken', 'InvalidTokenId', 'InvalidAccessKeyId', 'AccessDenied'],
  },
  'wrong time': { statuses: [403], codes: ['RequestTimeTooSkewed'] },
  'wrong content': {
    statuses: [400, 403],
    codes: [
      'XAmzContentSHA256Mismatch',
      'BadDigest',
      'SignatureDoesNotMatch',
      'InvalidRequest',
      'IncompleteBody',
    ],
  },
  'wrong token': {
    statuses: [400, 403],
    codes: [
      'InvalidIdentityToken',
      'MissingParameter',
      'InvalidParameterValue',
      'AccessDenied',
      'InvalidClientTokenId',
    ],
  },
  'expired token': {
    statuses: [400, 403],
    codes: ['ExpiredTokenException', 'ExpiredToken', 'AccessDenied', 'InvalidParameterValue'],
  },
  'wrong parameter': {
    statuses: [400],
    codes: [
      'ValidationError',
      'MissingParameter',
      'InvalidParameterValue',
      'InvalidArgument',
      'InvalidRequest',
      'InvalidAction',
      'PackedPolicyTooLarge',
    ],
  },
  'malformed policy': {
    statuses: [400],
    codes: ['MalformedPolicyDocument', 'InvalidParameterValue'],
  },
  'not understood': { statuses: [411, 501], codes: ['MissingContentLength', 'NotImplemented'] },
  'role refused': {
    statuses: [400, 403, 404],
    codes: ['AccessDenied', 'InvalidParameterValue', 'NoSuchEntity', 'NoSuchKey'],
  },
} as const;

export type Outcome = keyof typeof OUTCOME_CLASSES;

/** A response of a cloud; `code` is empty without an error. */
export type CaseAnswer = { readonly status: number; readonly code: string; readonly body: string };

export const isOutcome = (outcome: Outcome, { status, code }: CaseAnswer): boolean => {
  const { statuses, codes } = OUTCOME_CLASSES[outcome];
  return (
    (statuses as readonly number[]).includes(status) && (codes as readonly string[]).includes(code)
  );
};

/** Formats a response for people: `200`, `403 AccessDenied`. */
export const formatAnswer = ({ status, code }: CaseAnswer): string => `${status} ${code}`.trim();
