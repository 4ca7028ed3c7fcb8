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

const LABEL = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?';
const SUBDOMAIN = '[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?';
/** Names as the CRD of Revocations requires them, so that the API server accepts a task that is read. */
const PATH = new RegExp(`^/ns/(${LABEL})/sa/(${SUBDOMAIN})/task/(${LABEL})$`);

/** Reads what {@link buildSpiffeId} builds. @returns undefined for any other text */
export const readSpiffeId = (
  id: string,
  trustDomain: string,
): Omit<SpiffeSubject, 'trustDomain'> | undefined => {
  const start = `spiffe://${trustDomain}`;
  if (!id.startsWith(start)) return undefined;
  const [, namespace, serviceAccount, task] = PATH.exec(id.slice(start.length)) ?? [];
  if (namespace === undefined || serviceAccount === undefined || task === undefined) {
    return undefined;
  }
  return { namespace, serviceAccount, task };
};

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
