import type { Log } from '../../lib/contract/log.ts';
import { createAuthoritySource } from './revocation-subscriber.ts';
import { createClusterExchange } from './cluster-exchange.ts';
import type { AuthorityConfig, SidecarConfig } from './config.ts';
import { createLazyAuthorityClient } from './late-link.ts';
import { clock, pause, schedule } from './system-clock.ts';
import { createTokenReader } from './token-file.ts';
import type { CreateCredentialSource } from './trust.ts';

/** The trust that the settings name, on the machine's clocks. */
export const createCredentialSourceFactory = (
  config: SidecarConfig,
  log: Log,
): CreateCredentialSource =>
  config.trust === 'authority'
    ? createAuthoritySourceFactory(config, log)
    : (metrics) => ({
        exchange: createClusterExchange(config, {
          clock,
          reportSkew: (skewMs) => metrics.clockSkew(skewMs / 1000),
        }),
      });

const createAuthoritySourceFactory = (
  { authority: access, tokenFile }: AuthorityConfig,
  log: Log,
): CreateCredentialSource => {
  const readToken = createTokenReader(tokenFile);
  const random = Math.random;
  return (metrics) =>
    createAuthoritySource(
      {
        access,
        readToken,
        log,
        clock,
        schedule,
        random,
        createClient: (hears) =>
          createLazyAuthorityClient(async () => {
            const { createAuthorityClient } =
              await import('../../lib/edge/authority/authority-client.ts');
            return createAuthorityClient(access, { ...hears, readToken, clock, random, pause });
          }),
      },
      metrics,
    );
};
