import { randomBytes } from 'node:crypto';

import { newSealingKey, parseSealingKey, type SealingKey } from '../../lib/audit/sealing-keys.ts';
import type { StoredSecret } from '../../lib/certificate/certificate-reconciler.ts';
import type { SecretStore } from '../../lib/edge/kubernetes/secrets.ts';
import { LoggableError } from '../../lib/schema/loggable-error.ts';

export type AuditKeys = {
  /** Signs checkpoints of the audit chain. */
  readonly sealing: SealingKey;
  /** Key of the HMAC in run IDs. */
  readonly runs: Uint8Array;
};

const SEALING = 'checkpoint.key';
const RUNS = 'runs.key';
const RUNS_BYTES = 32;
const MAX_ATTEMPTS = 8;

/**
 * Reads the two long-lived keys that all replicas share; the first replica creates them. An existing
 * key is never replaced: an unreadable key is an error, because a new one would invalidate every audit
 * chain and run ID.
 *
 * @throws KubernetesError; LoggableError if a key is malformed
 */
export const readAuditKeys = async ({ read, replace }: SecretStore): Promise<AuditKeys> => {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    const secret = await read();
    const missing = buildMissingKeys(secret.data);
    if (Object.keys(missing).length === 0) return parseKeys(secret.data);
    await replace(secret.resourceVersion, missing);
  }
  throw new LoggableError(`audit keys: no write without a conflict in ${MAX_ATTEMPTS} attempts`);
};

const buildMissingKeys = (data: StoredSecret['data']): StoredSecret['data'] => ({
  ...(data[SEALING] === undefined && { [SEALING]: newSealingKey() }),
  ...(data[RUNS] === undefined && { [RUNS]: randomBytes(RUNS_BYTES).toString('base64') }),
});

const parseKeys = (data: StoredSecret['data']): AuditKeys => {
  const runs = Buffer.from(data[RUNS] ?? '', 'base64');
  if (runs.length < RUNS_BYTES) {
    throw new LoggableError(`${RUNS}: expected ${RUNS_BYTES} bytes in base64, got something else`);
  }
  try {
    return { sealing: parseSealingKey(data[SEALING] ?? ''), runs };
  } catch {
    throw new LoggableError(`${SEALING}: expected an Ed25519 private key, got something else`);
  }
};
