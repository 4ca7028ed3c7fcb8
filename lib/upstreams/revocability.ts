import type { SecretSource, Upstream } from './upstream.ts';

/**
 * What the end of a run revokes at the upstream. `no`: a static secret, which stays valid. `token`: a token
 * that was issued for the run. `role`: the role of the run at a database.
 */
export type Revocability = 'no' | 'token' | 'role';

const isRevoked = (source: SecretSource): boolean => {
  switch (source.kind) {
    case 'kubernetes':
      return false;
    case 'oauth':
      return source.revocationUrl !== undefined;
    case 'vault':
    case 'githubApp':
      return true;
  }
};

export const getRevocability = (upstream: Upstream): Revocability => {
  if (upstream.kind === 'postgres') return 'role';
  return upstream.access !== undefined && isRevoked(upstream.access.secret) ? 'token' : 'no';
};
