import {
  internalError,
  methodNotAllowed,
  unknownRoute,
  userTokenUnsupported,
} from '../../cmd/sidecar/refusals.ts';
import { ExchangeError } from '../../lib/credentials/exchange.ts';
import * as refusals from '../../lib/credentials/refusal.ts';

/** Every refusal of the sidecar, and what some errors of an exchange become. */
export const SIDECAR_REFUSALS: readonly refusals.Refusal[] = [
  ...[refusals.inProgress, refusals.terminating, refusals.endedMeanwhile],
  refusals.runRevoked({ name: 'stop', reason: 'leak' }),
  ...[refusals.authoritySilent(30_000), refusals.tooManyRuns(16, 1_500)],
  ...[refusals.tooManyStarts(2_000), refusals.overBeforeItBegan(60, 61_000)],
  ...[unknownRoute, internalError, userTokenUnsupported, methodNotAllowed('GET')],
  refusals.refusalOf(new Error('x')),
  ...(['refused', 'unavailable'] as const).flatMap((kind) =>
    ['policy_denied', 'unauthorized', 'AccessDenied', 'not_local', 'bad_request'].map((code) =>
      refusals.refusalOf(new ExchangeError(kind, code, 'x', { retryAfterMs: 9_000 })),
    ),
  ),
];
