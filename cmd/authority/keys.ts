import type { AuditEvent } from '../../lib/audit/record.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import { TAINT_ANNOTATION } from '../../lib/contract/names.ts';
import { openGrantKeys, type GrantKeys } from '../../lib/grant/keys.ts';
import { KEY_RULES, type KeyConcern } from '../../lib/grant/rotation.ts';
import type { KeyRoundEdges } from '../../lib/grant/round.ts';
import { backoffMs, jitterMs, startLoop } from '../../lib/rounds/loop.ts';
import type { AuthorityConfig } from './config.ts';
import { errorFields } from './error-fields.ts';

export type KeysEdges = Omit<KeyRoundEdges, 'now' | 'onStep'> & {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Records what happened to a key; a record that waits for its disk holds nothing up. */
  readonly record: (event: AuditEvent) => void;
  readonly onConcerns: (concerns: readonly KeyConcern[]) => void;
  readonly onFailure: () => void;
  /** Between rounds, while all is well; far less than keys stay good. */
  readonly everyMs: number;
};

export type KeptKeys = GrantKeys & { readonly stop: () => void };

/** Keeps the keys of grants: a round at once, and one every so often. */
export const keepKeys = (
  { platform, keyLifetimeSeconds }: AuthorityConfig,
  edges: KeysEdges,
): KeptKeys => {
  const { clock, random, log, record, onConcerns, onFailure, everyMs, ...round } = edges;
  const { algorithm } = platform.authority;
  const rules = { ...KEY_RULES, algorithm, keyLifetimeMs: keyLifetimeSeconds * 1000 };
  const onStep: KeyRoundEdges['onStep'] = (step, { kid, faults }) => {
    log.info('step of the keys of grants taken', { step, kid, faults });
    record({ kind: 'key.changed', at: clock.now(), subject: kid, reason: step });
  };
  const keys = openGrantKeys({ annotation: TAINT_ANNOTATION, rules }, { ...round, onStep }, clock);
  let failures = 0;
  let told = '';
  const loop = startLoop(async () => {
    try {
      const { concerns } = await keys.refresh();
      failures = 0;
      onConcerns(concerns);
      if (concerns.join() !== told && concerns.length > 0) {
        log.warn('keys of grants need a look', { concerns });
      }
      told = concerns.join();
      return jitterMs(everyMs, random);
    } catch (error) {
      failures += 1;
      onFailure();
      log.warn('keys of grants not read', errorFields(error));
      return backoffMs(failures, { firstMs: 500, mostMs: everyMs, random });
    }
  });
  return { ...keys, stop: loop.stop };
};
