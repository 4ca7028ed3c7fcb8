import type { AuditEvent } from '../../lib/audit/audit-event.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import { TAINT_ANNOTATION } from '../../lib/contract/names.ts';
import { createGrantKeyStore, type GrantKeyStore } from '../../lib/grant/grant-keys.ts';
import { KEY_RULES, type KeyProblem } from '../../lib/grant/key-rotation.ts';
import type { SigningKeyReconcilerDeps } from '../../lib/grant/signing-key-reconciler.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { AuthorityConfig } from './config.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';

export type SigningKeysDeps = Omit<SigningKeyReconcilerDeps, 'now' | 'onStep'> & {
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  /** Records what happened to a key; a record that waits for its disk holds nothing up. */
  readonly record: (event: AuditEvent) => void;
  readonly onProblems: (concerns: readonly KeyProblem[]) => void;
  readonly onFailure: () => void;
  /** Between rounds, while all is well; far less than keys stay good. */
  readonly everyMs: number;
};

export type ActiveGrantKeys = GrantKeyStore & { readonly stop: () => void };

/** Keeps the keys of grants: a round at once, and one every so often. */
export const startSigningKeyRefresh = (
  { platform, keyLifetimeSeconds }: AuthorityConfig,
  edges: SigningKeysDeps,
): ActiveGrantKeys => {
  const { clock, random, log, record, onProblems, onFailure, everyMs, ...round } = edges;
  const { algorithm } = platform.authority;
  const rules = { ...KEY_RULES, algorithm, keyLifetimeMs: keyLifetimeSeconds * 1000 };
  const onStep: SigningKeyReconcilerDeps['onStep'] = (step, { kid, faults }) => {
    log.info('step of the keys of grants taken', { step, kid, faults });
    record({ kind: 'key.changed', at: clock.now(), subject: kid, reason: step });
  };
  const keys = createGrantKeyStore(
    { annotation: TAINT_ANNOTATION, rules },
    { ...round, onStep },
    clock,
  );
  let reported = '';
  const reconcile = async (): Promise<number> => {
    const { problems } = await keys.refresh();
    onProblems(problems);
    if (problems.join() !== reported && problems.length > 0) {
      log.warn('keys of grants need a look', { concerns: problems });
    }
    reported = problems.join();
    return everyMs;
  };
  const loop = startReconcileLoop({
    reconcile,
    onFailure: (error) => {
      onFailure();
      log.warn('keys of grants not read', toErrorFields(error));
    },
    retry: { firstMs: 500, maxMs: everyMs },
    random,
  });
  return { ...keys, stop: loop.stop };
};
