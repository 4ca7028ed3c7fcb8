import type { AuthorityLink } from '../../lib/edge/authority/authority-link.ts';

/**
 * A link that is loaded when it is first used: TLS takes time and memory that a sidecar does not
 * have to spend before it is ready.
 */
export const lateLink = (load: () => Promise<AuthorityLink>): AuthorityLink => {
  let loading: Promise<AuthorityLink> | undefined;
  let loaded: AuthorityLink | undefined;
  const link = async (): Promise<AuthorityLink> => (loaded = await (loading ??= load()));
  return {
    exchange: async (request, signal) => (await link()).exchange(request, signal),
    connect: async (token, onLine, signal) => (await link()).connect(token, onLine, signal),
    reportEnd: async (report) => (await link()).reportEnd(report),
    moveOn: () => loaded?.moveOn(),
  };
};
