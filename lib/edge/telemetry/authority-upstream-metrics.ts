import type { SecretErrorCode } from '../../upstreams/secret-fetcher.ts';
import type { SecretSource } from '../../upstreams/upstream.ts';
import { AUTHORITY_METRIC_SPECS as SPECS } from './authority-metric-specs.ts';
import type { MetricRegistry } from './exposition.ts';
import { createCounter, createGauge, createOutcomeCounter } from './metric-registration.ts';

export type CheckedUpstream = {
  readonly name: string;
  readonly isReady: boolean;
  /** Of a Kubernetes Secret with a largest age; `changedAtMs` is absent if it could not be read. */
  readonly age?: { readonly maxAgeSeconds: number; readonly changedAtMs?: number | undefined };
};

/** The part of the authority's metrics that is about Upstreams. */
export type UpstreamMetrics = {
  readonly secretFetched: (
    source: SecretSource['kind'],
    outcome: SecretErrorCode | 'fetched' | 'internal_error',
  ) => void;
  readonly secretRevoked: (outcome: (typeof REVOCATION_OUTCOMES)[number]) => void;
  /** @param upstreams all of them */
  readonly upstreamsChecked: (upstreams: readonly CheckedUpstream[]) => void;
  /** @param counts undefined: there is no such Upstream any more */
  readonly databaseRolesCounted: (
    upstream: string,
    counts: { readonly active: number; readonly overdue: number } | undefined,
  ) => void;
};

const DATABASE_ROLE_STATES = ['active', 'overdue'] as const;
const REVOCATION_OUTCOMES = ['revoked', 'failed'] as const;

/** A cluster has some tens. */
const MAX_UPSTREAM_SERIES = 256;
/** Upstreams are objects that admins write. */
const MAX_DATABASE_SERIES = 32;

/** Creates the metrics of Upstreams, of their secrets and of the roles at their database servers. */
export const createUpstreamMetrics = (registry: MetricRegistry): UpstreamMetrics => {
  const secretsFetched = createCounter(SPECS.secretsFetched, registry);
  const secretsRevoked = createOutcomeCounter(SPECS.secretsRevoked, registry, REVOCATION_OUTCOMES);
  return {
    secretFetched: (source, outcome) => secretsFetched.inc({ source, outcome }),
    secretRevoked: (outcome) => secretsRevoked.inc({ outcome }),
    upstreamsChecked: createUpstreamGauges(registry),
    databaseRolesCounted: createDatabaseRoleGauge(registry),
  };
};

const createUpstreamGauges = (registry: MetricRegistry): UpstreamMetrics['upstreamsChecked'] => {
  const upstreams = createGauge(SPECS.upstreams, registry);
  const secretChanged = createGauge(SPECS.secretChanged, registry);
  const secretMaxAge = createGauge(SPECS.secretMaxAge, registry);
  return (all) => {
    const ready = all.filter(({ isReady }) => isReady).length;
    upstreams.set({ state: 'ready' }, ready);
    upstreams.set({ state: 'not_ready' }, all.length - ready);
    secretChanged.reset();
    secretMaxAge.reset();
    for (const { name: upstream, age } of all.slice(0, MAX_UPSTREAM_SERIES)) {
      if (age === undefined) continue;
      secretMaxAge.set({ upstream }, age.maxAgeSeconds);
      if (age.changedAtMs !== undefined) secretChanged.set({ upstream }, age.changedAtMs / 1000);
    }
  };
};

const createDatabaseRoleGauge = (
  registry: MetricRegistry,
): UpstreamMetrics['databaseRolesCounted'] => {
  const databaseRoles = createGauge(SPECS.databaseRoles, registry);
  const databases = new Set<string>();
  return (upstream, counts) => {
    if (counts === undefined) databases.delete(upstream);
    else if (databases.size < MAX_DATABASE_SERIES) databases.add(upstream);
    if (counts !== undefined && !databases.has(upstream)) return;
    for (const state of DATABASE_ROLE_STATES) {
      if (counts === undefined) databaseRoles.remove({ upstream, state });
      else databaseRoles.set({ upstream, state }, counts[state]);
    }
  };
};
