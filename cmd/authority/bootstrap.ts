import { setTimeout as wait } from 'node:timers/promises';

import { retryUntilSuccess } from '../../lib/async/retry.ts';
import { readAuditKeys, type AuditKeys } from './audit-keys.ts';
import { startAudit, type Audit, type AuditDeps } from './audit.ts';
import type { ClusterClient } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';

/** What must be there before anything else can be: nothing happens without a record. */
export type Prerequisites = {
  readonly auditKeys: AuditKeys;
  /** The authority's own name at the API server. */
  readonly ownName: string;
  readonly audit: Audit;
};

export type BootstrapDeps = Omit<AuditDeps, 'keys' | 'heads'> & {
  readonly cluster: Pick<ClusterClient, 'auditSecret' | 'auditHeads' | 'readOwnName'>;
  readonly onFailure: (error: unknown) => void;
};

const RETRY = { firstMs: 250, maxMs: 5_000 };

/** Lays it, and tries again for as long as it takes. */
export const bootstrap = (
  config: AuthorityConfig,
  edges: BootstrapDeps,
): Promise<Prerequisites> => {
  const { cluster, random, onFailure } = edges;
  const attempt = async (): Promise<Prerequisites> => {
    const auditKeys = await readAuditKeys(cluster.auditSecret);
    const ownName = await cluster.readOwnName();
    const heads = cluster.auditHeads;
    const audit = await startAudit(config, { ...edges, keys: auditKeys, heads });
    return { auditKeys, ownName, audit };
  };
  return retryUntilSuccess(attempt, { onFailure, retry: RETRY, random, pause: wait });
};
