import { createHash } from 'node:crypto';

/** STS: 2 to 64 of `[\w+=,.@-]`. */
const MAX_LENGTH = 64;
const UNKNOWN = /[^\w+=,.@-]/g;
const HASH_LENGTH = 12;

export type SessionActor = {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** The user for whom the agent acts. */
  readonly user?: { readonly issuer: string; readonly subject: string };
};

/**
 * Builds the source identity that the cloud logs for every action of a session: the user if there is one
 * (`user=<subject>,<hash>`; the hash also covers the issuer), otherwise the workload
 * (`workload=<namespace>.<service account>`, with a hash when it is truncated).
 */
export const buildSourceIdentity = ({ namespace, serviceAccount, user }: SessionActor): string => {
  if (user !== undefined) {
    const digest = hashText(`${user.issuer}\0${user.subject}`);
    return shortenText(`user=${user.subject.replace(UNKNOWN, '_')}`, digest);
  }
  const workload = `workload=${namespace}.${serviceAccount}`;
  return workload.length <= MAX_LENGTH ? workload : shortenText(workload, hashText(workload));
};

const shortenText = (text: string, digest: string): string =>
  `${text.slice(0, MAX_LENGTH - digest.length - 1)},${digest}`;

const hashText = (text: string): string =>
  createHash('sha256').update(text).digest('hex').slice(0, HASH_LENGTH);
