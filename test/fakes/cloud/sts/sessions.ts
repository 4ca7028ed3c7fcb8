import { randomBytes } from 'node:crypto';
import type { PolicyDocument } from '../iam/policy-document.ts';

/** Temporary keys and what they may do. */
export type Session = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
  /** `<role id>:<session name>`, which policies see as `aws:userid`. */
  readonly userId: string;
  /** `arn:aws:sts::<account>:assumed-role/<role>/<session name>`. */
  readonly arn: string;
  /** The role's policy, and the session policy where one was given. */
  readonly policies: readonly PolicyDocument[];
};

export type Sessions = {
  readonly issue: (plan: SessionPlan) => Session;
  readonly find: (accessKeyId: string) => Session | undefined;
  /** Every session issued since the start, for a search after what must be nowhere. */
  readonly list: () => readonly Session[];
};

export type SessionPlan = Pick<Session, 'expiresAt' | 'userId' | 'arn' | 'policies'>;

export const createSessions = (): Sessions => {
  const byKey = new Map<string, Session>();
  return {
    issue: (plan) => {
      const session = { ...createKeys(), ...plan };
      byKey.set(session.accessKeyId, session);
      return session;
    },
    find: (accessKeyId) => byKey.get(accessKeyId),
    list: () => [...byKey.values()],
  };
};

const createKeys = () => ({
  accessKeyId: `ASIA${createRandomName(16)}`,
  secretAccessKey: randomBytes(30).toString('base64'),
  sessionToken: randomBytes(240).toString('base64'),
});

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Letters and digits as AWS's identifiers have them. */
export const createRandomName = (length: number): string =>
  [...randomBytes(length)].map((byte) => LETTERS[byte % LETTERS.length] ?? '').join('');
