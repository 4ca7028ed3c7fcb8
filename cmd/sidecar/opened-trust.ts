import type { Log } from '../../lib/contract/log.ts';
import { authorityTrust } from './authority-trust.ts';
import { clusterExchange } from './cluster-exchange.ts';
import type { AuthorityConfig, SidecarConfig } from './config.ts';
import { lateLink } from './late-link.ts';
import { clock, pause, schedule } from './time.ts';
import { tokenReader } from './token-file.ts';
import type { OpenTrust } from './trust.ts';

/** The trust that the settings name, on the machine's clocks. */
export const openTrustOf = (config: SidecarConfig, log: Log): OpenTrust =>
  config.trust === 'authority'
    ? trustInAuthority(config, log)
    : (metrics) => ({
        exchange: clusterExchange(config, {
          clock,
          reportSkew: (skewMs) => metrics.clockSkew(skewMs / 1000),
        }),
      });

const trustInAuthority = (
  { authority: access, tokenFile }: AuthorityConfig,
  log: Log,
): OpenTrust => {
  const readToken = tokenReader(tokenFile);
  const random = Math.random;
  return (metrics) =>
    authorityTrust(
      {
        access,
        readToken,
        log,
        clock,
        schedule,
        random,
        openLink: (hears) =>
          lateLink(async () => {
            const { openAuthorityLink } =
              await import('../../lib/edge/authority/authority-link.ts');
            return openAuthorityLink(access, { ...hears, readToken, clock, random, pause });
          }),
      },
      metrics,
    );
};
