import type { Clock } from '../../lib/contract/clock.ts';
import type { CloudCredentials } from '../../lib/contract/exchange.ts';
import type { OwnCredentials, OwnRole } from '../../lib/edge/aws/role-assumption.ts';

/** A call that begins just before the end still ends. */
const MARGIN_MS = 60_000;

/**
 * Keys of one of the authority's own roles, traded when they are needed and held until a minute
 * before their end.
 *
 * @returns throws ExchangeError
 */
export const createOwnCredentialSource = ({
  right,
  issueCredentials,
  clock,
}: {
  readonly right: OwnRole;
  readonly issueCredentials: (right: OwnRole, signal: AbortSignal) => Promise<OwnCredentials>;
  readonly clock: Pick<Clock, 'now'>;
}): ((signal: AbortSignal) => Promise<CloudCredentials>) => {
  let cached: OwnCredentials | undefined;
  return async (signal) => {
    if (cached === undefined || cached.expiresAt - MARGIN_MS <= clock.now()) {
      cached = await issueCredentials(right, signal);
    }
    return cached.keys;
  };
};
