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
  /** Queues an audit record; rotation does not wait until it is written. */
  readonly record: (event: AuditEvent) => void;
  readonly onProblems: (problems: readonly KeyProblem[]) => void;
  readonly onFailure: () => void;
  /** Interval between rounds, in milliseconds; much shorter than the keys remain valid. */
  readonly everyMs: number;
};

export type ActiveGrantKeys = GrantKeyStore & {
  /** Calls `listener` after each change of the keys. */
  readonly subscribe: (listener: () => void) => void;
  readonly stop: () => void;
};

/** Maintains the signing keys: reconciles them immediately, and then at an interval. */
export const startSigningKeyRefresh = (
  { platform, keyLifetimeSeconds }: AuthorityConfig,
  deps: SigningKeysDeps,
): ActiveGrantKeys => {
  const { clock, random, log, record, onProblems, onFailure, everyMs, ...reconcilerDeps } = deps;
  const { algorithm } = platform.authority;
  const rules = { ...KEY_RULES, algorithm, keyLifetimeMs: keyLifetimeSeconds * 1000 };
  const listeners = new Set<() => void>();
  const onStep: SigningKeyReconcilerDeps['onStep'] = (step, { kid, faults }) => {
    log.info('signing key rotation step', { step, kid, faults });
    record({ kind: 'key.changed', at: clock.now(), subject: kid, reason: step });
    listeners.forEach((listener) => listener());
  };
  const keys = createGrantKeyStore(
    { annotation: TAINT_ANNOTATION, rules },
    { ...reconcilerDeps, onStep },
    clock,
  );
  let reported = '';
  const reconcile = async (): Promise<number> => {
    const { problems } = await keys.refresh();
    onProblems(problems);
    if (problems.join() !== reported && problems.length > 0) {
      log.warn('signing key problems', { problems });
    }
    reported = problems.join();
    return everyMs;
  };
  const loop = startReconcileLoop({
    reconcile,
    onFailure: (error) => {
      onFailure();
      log.warn('signing keys not read', toErrorFields(error));
    },
    retry: { firstMs: 500, maxMs: everyMs },
    random,
  });
  return { ...keys, subscribe: (listener) => void listeners.add(listener), stop: loop.stop };
};
