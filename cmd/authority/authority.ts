import { getRequestId } from '../../lib/async/request-context.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { AUTHORITY_ENV as ENV } from '../../lib/contract/environment.ts';
import type { Log } from '../../lib/contract/log.ts';
import { readVolumeSpace } from '../../lib/edge/disk/volume-space.ts';
import {
  createAuthorityMetrics,
  type AuthorityMetrics,
} from '../../lib/edge/telemetry/authority-metrics.ts';
import { startTracing, type Tracing } from '../../lib/edge/telemetry/tracing.ts';
import { createAuditBudget } from '../../lib/exchange/audit-budget.ts';
import {
  buildReconcilerOptions,
  startSelfSignedRenewal,
  type CertificateObserver,
} from '../../lib/server/certificates.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import { createRequestLog } from '../../lib/server/request-log.ts';
import {
  startTelemetry,
  type LifecycleOptions,
  type RunningServer,
} from '../../lib/server/lifecycle.ts';
import { createReadiness } from '../../lib/server/readiness.ts';
import { bootstrap, type BootstrapDeps } from './bootstrap.ts';
import type { ClusterClient } from './cluster.ts';
import { createComponents, type Components } from './components.ts';
import type { AuthorityConfig } from './config.ts';
import { createAuthorityRoutes } from './routes.ts';
import { createTrustedBundlesReader } from './trust-bundle-users.ts';
import { createWatchSyncs, type WatchSyncs } from './watches.ts';

export type AuthorityDeps = {
  readonly cluster: ClusterClient;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timings: Timings;
  /** Receives audit records as lines, in addition to the replica's volume. */
  readonly output: BootstrapDeps['output'];
  /** For tests, instead of what the settings say. */
  readonly tracing?: Tracing;
  /** Of the servers that Upstreams name; for tests. */
  readonly isAllowedAddress?: (address: string) => boolean;
};

/** All in milliseconds. */
export type Timings = LifecycleOptions['timings'] & {
  /** Interval between checks of the certificate, and of the signing keys. */
  readonly certificateMs: number;
  readonly keysMs: number;
};

/** The shutdown takes less than the pod's grace period; an exchange takes up to fifteen seconds. */
export const DEFAULT_TIMINGS: Timings = {
  certificateMs: 10_000,
  keysMs: 10_000,
  lingerMs: 2_000,
  graceMs: 16_000,
};

/** Its drain also sends event streams to other replicas, and closes the audit chain. */
export type Authority = RunningServer;

const MIB = 1024 * 1024;

/** Revocations of secrets whose runs ended just before this replica. */
const RELEASE_FINISH_MS = 5_000;

const CONDITIONS = [
  'audit',
  'keys',
  'identity',
  'injection_templates',
  'policies',
  'revocations',
] as const;

/**
 * Builds and starts the authority: telemetry immediately; the components after the audit chain is
 * open; HTTPS after the first certificate.
 */
export const startAuthority = async (
  config: AuthorityConfig,
  given: AuthorityDeps,
): Promise<Authority> => {
  const deps = { ...given, log: createRequestLog(given.log) };
  const { log, clock, timings } = deps;
  const syncs = createWatchSyncs(clock);
  const tracing =
    deps.tracing ??
    (await startTracing({
      endpoint: config.tracingEndpoint,
      samplerRatio: config.tracingSamplerRatio,
      program: 'authority',
    }));
  const metrics = createMetrics(config, { clock, syncs, tracing });
  const budget = createAuditBudget(config.namespaceAuditMebibytes * MIB, clock);
  const audit = { ...createAuditHealth(metrics, log), composed: budget.charge };
  const readiness = createReadiness(CONDITIONS, clock);
  const telemetry = await startTelemetry(
    {
      logFields: { pod: config.podName },
      listen: { setting: ENV.listen, address: config.listen },
      telemetry: { setting: ENV.telemetry, address: config.telemetry },
      timings,
    },
    { readiness, metrics, log },
  );
  const prerequisites = await bootstrap(config, {
    ...deps,
    observer: audit,
    onFailure: (error) => log.warn('authority cannot start yet', toErrorFields(error)),
  });
  const components = createComponents(config, {
    ...deps,
    prerequisites,
    metrics,
    syncs,
    budget,
    tracing,
  });
  readiness.setChecks({
    audit: () => audit.isHealthy() && prerequisites.audit.isPublished(),
    keys: () => components.keys.jwks() !== undefined,
    identity: components.hasClusterIssuer,
    injection_templates: () => components.templates.accepted() !== undefined,
    policies: components.policies.isCurrent,
    revocations: components.revocations.isCurrent,
  });
  const { authority } = config.platform;
  return telemetry.serve({
    handler: createAuthorityRoutes({
      ...components.routes,
      authority,
      metrics,
      log,
      clock,
      tracing,
    }),
    limits: { connections: config.connections, perPeer: config.connectionsPerPeer },
    startCertificates: (observer) => startCertificates(config, deps, { components, observer }),
    drain: () => components.streams.drain(timings.lingerMs),
    stop: async () => {
      await components.finishReleases(RELEASE_FINISH_MS);
      components.stop();
      await components.recordCounted().catch((error: unknown) => {
        log.warn('counted refusals not recorded', toErrorFields(error));
      });
      await prerequisites.audit.close();
      await tracing.stop();
    },
  });
};

const createMetrics = (
  { platform, auditFolder }: AuthorityConfig,
  {
    clock,
    syncs,
    tracing,
  }: { readonly clock: Clock; readonly syncs: WatchSyncs; readonly tracing: Tracing },
): AuthorityMetrics =>
  createAuthorityMetrics({
    now: clock.now,
    secondsSinceSync: {
      taskpolicies: syncs.policies.ageSeconds,
      revocations: syncs.revocations.ageSeconds,
      upstreams: syncs.upstreams.ageSeconds,
      'injection-templates': syncs.templates.ageSeconds,
    },
    transmitters: platform.authority.signals.transmitters.map(({ issuer }) => issuer),
    readAuditVolume: async () => (auditFolder === '' ? undefined : readVolumeSpace(auditFolder)),
    readIds: () => ({ request: getRequestId(), trace: tracing.traceId() }),
  });

/** Webhooks receive a new CA by a watch, and inject the previous trust bundle until then. */
const PROPAGATION_MS = 60_000;

const startCertificates = (
  config: AuthorityConfig,
  { cluster, clock, random, timings }: AuthorityDeps,
  {
    components,
    observer,
  }: { readonly components: Components; readonly observer: CertificateObserver },
) => {
  const options = buildReconcilerOptions({
    names: listDnsNames(config.platform.authority.endpoint),
    authorityLifetimeSeconds: config.authorityLifetimeSeconds,
    leafLifetimeSeconds: config.leafLifetimeSeconds,
    settleMs: PROPAGATION_MS,
  });
  const readClientBundles = createTrustedBundlesReader({
    listInjectedPods: cluster.listInjectedPods,
    templates: components.templates.accepted,
    clock,
  });
  return startSelfSignedRenewal(
    { ...options, everyMs: timings.certificateMs, random },
    { ...cluster.certificate, readClientBundles, now: clock.now },
    observer,
  );
};

/** The host of the endpoint, and for a Service also its short name. */
const listDnsNames = (endpoint: string): readonly string[] => {
  const { hostname } = new URL(endpoint);
  const [, service] = /^([a-z0-9-]+)\.[a-z0-9-]+\.svc$/.exec(hostname) ?? [];
  return service === undefined ? [hostname] : [service, hostname];
};

type AuditHealth = BootstrapDeps['observer'] & { readonly isHealthy: () => boolean };

/** Logs once when audit records cannot be written, and once when they can be written again. */
const createAuditHealth = (
  metrics: Pick<AuthorityMetrics, 'auditRecordsWritten' | 'auditWriteFailed'>,
  log: Log,
): AuditHealth => {
  let isHealthy = true;
  return {
    isHealthy: () => isHealthy,
    written: (batch) => {
      metrics.auditRecordsWritten(batch);
      if (!isHealthy) log.info('audit writes recovered');
      isHealthy = true;
    },
    refused: ({ code }) => metrics.auditWriteFailed(code),
    failed: (error) => {
      metrics.auditWriteFailed(error.code);
      if (isHealthy) log.error('audit write failed: nothing is issued', toErrorFields(error));
      isHealthy = false;
    },
  };
};
