import {
  internalError,
  buildMethodNotAllowedRefusal,
  routeUnknown,
  userTokenUnsupported,
} from '../../lib/runs/request-refusals.ts';
import { ExchangeError } from '../../lib/contract/exchange.ts';
import * as refusals from '../../lib/runs/run-refusal.ts';

/** Every refusal of the sidecar, and what some errors of an exchange become. */
export const SIDECAR_REFUSALS: readonly refusals.RunRefusal[] = [
  ...[refusals.exchangeInProgress, refusals.terminating, refusals.runEndedBeforeUse],
  refusals.buildRunRevokedRefusal({ name: 'stop', reason: 'leak' }),
  ...[
    refusals.buildAuthorityDisconnectedRefusal(30_000),
    refusals.buildTooManyRunsRefusal(16, 1_500),
  ],
  ...[refusals.buildStartRateExceededRefusal(2_000), refusals.buildClockSkewRefusal(60, 61_000)],
  ...[routeUnknown, internalError, userTokenUnsupported, buildMethodNotAllowedRefusal('GET')],
  refusals.toRunRefusal(new Error('x')),
  ...(['refused', 'unavailable'] as const).flatMap((kind) =>
    ['policy_denied', 'unauthorized', 'AccessDenied', 'not_local', 'bad_request'].map((code) =>
      refusals.toRunRefusal(new ExchangeError(kind, code, 'x', { retryAfterMs: 9_000 })),
    ),
  ),
];
