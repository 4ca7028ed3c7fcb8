import { setTimeout as wait } from 'node:timers/promises';

import { retryUntilSuccess } from '../../lib/async/retry.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import { readAuditKeys, type AuditKeys } from './audit-keys.ts';
import { startAudit, type Audit, type AuditDeps } from './audit.ts';
import type { ClusterClient } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import { loadRevocationMemory, type RevocationMemory } from './revocation-memory.ts';

/** What must exist before any component: nothing happens without an audit record. */
export type Prerequisites = {
  readonly auditKeys: AuditKeys;
  /** The authority's own name at the API server. */
  readonly ownName: string;
  readonly audit: Audit;
  readonly revocationMemory: RevocationMemory;
};

export type BootstrapDeps = Omit<AuditDeps, 'keys' | 'heads' | 'isExporting'> & {
  readonly cluster: Pick<ClusterClient, 'auditSecret' | 'auditHeads' | 'readOwnName'>;
  readonly onFailure: (error: unknown) => void;
};

const RETRY = { firstMs: 250, maxMs: 5_000 };

/** Creates the prerequisites, with retries until it succeeds. */
export const bootstrap = (config: AuthorityConfig, deps: BootstrapDeps): Promise<Prerequisites> => {
  const { cluster, random, log, onFailure } = deps;
  const attempt = async (): Promise<Prerequisites> => {
    const auditKeys = await readAuditKeys(cluster.auditSecret);
    const ownName = await cluster.readOwnName();
    const heads = cluster.auditHeads;
    const isExporting = config.platform.authority.auditExport !== undefined;
    const audit = await startAudit(config, { ...deps, keys: auditKeys, heads, isExporting });
    const revocationMemory = await loadRevocationMemory(config.auditFolder, (error) =>
      log.warn('revocations not remembered', toErrorFields(error)),
    );
    return { auditKeys, ownName, audit, revocationMemory };
  };
  return retryUntilSuccess(attempt, { onFailure, retry: RETRY, random, pause: wait });
};
