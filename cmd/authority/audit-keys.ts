import { randomBytes } from 'node:crypto';

import { newSealingKey, openSealingKey, type SealingKey } from '../../lib/audit/keys.ts';
import type { StoredSecret } from '../../lib/certificate/round.ts';
import type { SecretStore } from '../../lib/edge/kubernetes/secrets.ts';
import { StatedError } from '../../lib/reading/stated-error.ts';

export type AuditKeys = {
  /** Signs checkpoints of the chain of records. */
  readonly sealing: SealingKey;
  /** Of the HMAC in ids of runs. */
  readonly runs: Uint8Array;
};

const SEALING = 'checkpoint.key';
const RUNS = 'runs.key';
const RUNS_BYTES = 32;
const MAX_PASSES = 8;

/**
 * The two long-lived keys that every replica shares; the first replica makes them. What is there is
 * never replaced: an unreadable key is an error, since a new one would disown every chain and run.
 *
 * @throws KubernetesError; StatedError for a key that is none
 */
export const readAuditKeys = async ({ read, create, replace }: SecretStore): Promise<AuditKeys> => {
  for (let pass = 0; pass < MAX_PASSES; pass += 1) {
    const secret = await read();
    const missing = missingOf(secret?.data ?? {});
    if (Object.keys(missing).length === 0) return openKeys(secret?.data ?? {});
    await (secret === undefined ? create(missing) : replace(secret.resourceVersion, missing));
  }
  throw new StatedError(`the keys of records: no write without a conflict in ${MAX_PASSES} passes`);
};

const missingOf = (data: StoredSecret['data']): StoredSecret['data'] => ({
  ...(data[SEALING] === undefined && { [SEALING]: newSealingKey() }),
  ...(data[RUNS] === undefined && { [RUNS]: randomBytes(RUNS_BYTES).toString('base64') }),
});

const openKeys = (data: StoredSecret['data']): AuditKeys => {
  const runs = Buffer.from(data[RUNS] ?? '', 'base64');
  if (runs.length < RUNS_BYTES) {
    throw new StatedError(`${RUNS}: expected ${RUNS_BYTES} bytes in base64, got something else`);
  }
  try {
    return { sealing: openSealingKey(data[SEALING] ?? ''), runs };
  } catch {
    throw new StatedError(`${SEALING}: expected an Ed25519 private key, got something else`);
  }
};
