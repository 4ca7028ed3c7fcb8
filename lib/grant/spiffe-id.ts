import type { FieldError } from '../schema/field-error.ts';

/** Limit of IAM for `sub`. */
const MAX_LENGTH = 255;

export type SpiffeSubject = {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly task: string;
};

/** `sub` of the grants for a task: a SPIFFE ID whose parts a trust policy can match. */
export const buildSpiffeId = ({
  trustDomain,
  namespace,
  serviceAccount,
  task,
}: SpiffeSubject): string =>
  `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}/task/${task}`;

/** `sub` of the grants that the authority signs for its own roles. */
export const buildAuthoritySpiffeId = (trustDomain: string): string =>
  `spiffe://${trustDomain}/authority`;

/** Field errors of a SPIFFE ID that is too long for IAM. Admission checks it, too. */
export const checkSpiffeId = (subject: SpiffeSubject): readonly FieldError[] => {
  const { length } = buildSpiffeId(subject);
  if (length <= MAX_LENGTH) return [];
  const expected = `a SPIFFE ID of at most ${MAX_LENGTH} characters: a shorter name of the task, service account or namespace`;
  return [{ path: 'sub', expected, got: `${length} characters` }];
};
