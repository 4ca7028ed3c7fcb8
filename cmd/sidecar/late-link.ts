import type { AuthorityClient } from '../../lib/edge/authority/authority-client.ts';

/**
 * A link that is loaded when it is first used: TLS takes time and memory that a sidecar does not
 * have to spend before it is ready.
 */
export const createLazyAuthorityClient = (
  load: () => Promise<AuthorityClient>,
): AuthorityClient => {
  let loading: Promise<AuthorityClient> | undefined;
  let loaded: AuthorityClient | undefined;
  const link = async (): Promise<AuthorityClient> => (loaded = await (loading ??= load()));
  return {
    exchange: async (request, signal) => (await link()).exchange(request, signal),
    connect: async (token, onLine, signal) => (await link()).connect(token, onLine, signal),
    reportEnd: async (report) => (await link()).reportEnd(report),
    reconnect: () => loaded?.reconnect(),
  };
};
