import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { Log } from '../../lib/contract/log.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';

export type IssuerLookup = {
  /** The cluster's service-account issuer; undefined until it was read. */
  readonly getIssuer: () => string | undefined;
  readonly stop: () => void;
};

const RETRY = { firstMs: 500, maxMs: 10_000 };
const NEVER_MS = 86_400_000;

/** Reads the issuer once, with retries. An API server whose issuer changes requires a restart. */
export const startIssuerLookup = ({
  readIssuer,
  random,
  log,
}: {
  readonly readIssuer: () => Promise<string>;
  readonly random: () => number;
  readonly log: Log;
}): IssuerLookup => {
  let issuer: string | undefined;
  const loop = startReconcileLoop({
    reconcile: async () => {
      issuer ??= await readIssuer();
      return NEVER_MS;
    },
    onFailure: (error) => log.warn('cluster issuer not read', toErrorFields(error)),
    retry: RETRY,
    random,
  });
  return { getIssuer: () => issuer, stop: loop.stop };
};
