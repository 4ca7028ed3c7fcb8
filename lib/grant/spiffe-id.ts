import type { FieldError } from '../schema/field-error.ts';

/** IAM's limit for `sub`. */
const MAX_LENGTH = 255;

export type SpiffeSubject = {
  readonly trustDomain: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly task: string;
};

/** `sub` of the grants for a task: a SPIFFE ID, by which a trust policy can name each of its parts. */
export const buildSpiffeId = ({
  trustDomain,
  namespace,
  serviceAccount,
  task,
}: SpiffeSubject): string =>
  `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}/task/${task}`;

/** `sub` of the grants that the authority signs for its own rights. */
export const buildAuthoritySpiffeId = (trustDomain: string): string =>
  `spiffe://${trustDomain}/authority`;

/** What is wrong with the task's SPIFFE ID: it is too long for IAM. Asked at admission, too. */
export const checkSpiffeId = (subject: SpiffeSubject): readonly FieldError[] => {
  const { length } = buildSpiffeId(subject);
  if (length <= MAX_LENGTH) return [];
  const expected = `a SPIFFE ID of at most ${MAX_LENGTH} characters: a shorter name of the task, service account or namespace`;
  return [{ path: 'sub', expected, got: `${length} characters` }];
};
