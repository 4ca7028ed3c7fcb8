import { randomBytes } from 'node:crypto';

/** Who may ask, each by a bearer token of its own. */
export type UserRegistry = {
  /** Makes one. */
  readonly add: (username: string) => string;
  /** Undefined: unknown user. */
  readonly find: (authorization: string | undefined) => string | undefined;
};

export const createUserRegistry = (): UserRegistry => {
  const byToken = new Map<string, string>();
  return {
    add: (username) => {
      const token = randomBytes(24).toString('base64url');
      byToken.set(token, username);
      return token;
    },
    find: (authorization) => byToken.get(/^Bearer (.+)$/.exec(authorization ?? '')?.[1] ?? ''),
  };
};
