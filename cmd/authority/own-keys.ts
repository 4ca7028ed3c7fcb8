import type { Clock } from '../../lib/contract/clock.ts';
import type { CloudKeys } from '../../lib/credentials/exchange.ts';
import type { OwnCredentials, OwnRight } from '../../lib/edge/aws/trade.ts';

/** A call that begins just before the end still ends. */
const MARGIN_MS = 60_000;

/**
 * Keys of one of the authority's own roles, traded when they are needed and held until a minute
 * before their end.
 *
 * @returns throws ExchangeError
 */
export const openOwnKeys = ({
  right,
  trade,
  clock,
}: {
  readonly right: OwnRight;
  readonly trade: (right: OwnRight, signal: AbortSignal) => Promise<OwnCredentials>;
  readonly clock: Pick<Clock, 'now'>;
}): ((signal: AbortSignal) => Promise<CloudKeys>) => {
  let held: OwnCredentials | undefined;
  return async (signal) => {
    if (held === undefined || held.expiresAt - MARGIN_MS <= clock.now()) {
      held = await trade(right, signal);
    }
    return held.keys;
  };
};
