import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { HeadPublisher } from '../../lib/audit/heads.ts';

export type AuditLoop = {
  /** While the files are over their limit, waits for the removal of the oldest ones, if it succeeds. */
  readonly waitForSpace: () => Promise<void>;
  readonly stop: () => void;
};

export type AuditLoopDeps = {
  readonly publisher: Pick<HeadPublisher, 'publishHead'>;
  /** Removes the oldest file if it is due. */
  readonly prune: () => Promise<boolean>;
  readonly isOverLimit: () => boolean;
  readonly onPruneFailure: (error: unknown) => void;
  readonly onFailure: (error: unknown) => void;
  readonly random: () => number;
};

const RETRY = { firstMs: 500, maxMs: 10_000 };

/** Publishes the head and removes files that are due: one after the other, because heads come first. */
export const startAuditLoop = ({
  publisher,
  prune,
  isOverLimit,
  onPruneFailure,
  onFailure,
  random,
}: AuditLoopDeps): AuditLoop => {
  let isStopped = false;
  let pass = Promise.withResolvers<boolean>();
  let isRunning = false;
  let isStuck = false;
  const runPrune = (): Promise<boolean> =>
    prune().then(
      (hasRemoved) => {
        isStuck = false;
        return hasRemoved;
      },
      (error: unknown) => {
        isStuck = true;
        onPruneFailure(error);
        return false;
      },
    );
  const reconcile = async (): Promise<number> => {
    isRunning = true;
    const delayMs = await publisher.publishHead();
    const hasRemoved = await runPrune();
    isRunning = false;
    pass.resolve(hasRemoved);
    pass = Promise.withResolvers<boolean>();
    return hasRemoved ? 0 : delayMs;
  };
  const loop = startReconcileLoop({ reconcile, onFailure, retry: RETRY, random });
  /** A pass in progress may have started before the file was complete. */
  const runPass = async (): Promise<boolean> => {
    if (isRunning && (await pass.promise)) return true;
    loop.wake();
    return pass.promise;
  };
  return {
    waitForSpace: async () => {
      // A file that is kept is verified at each attempt: only the loop tries again, not each record.
      while (!isStopped && !isStuck && isOverLimit() && (await runPass()));
    },
    stop: () => {
      isStopped = true;
      loop.stop();
      pass.resolve(false);
    },
  };
};
