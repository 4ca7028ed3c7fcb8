import type { Clock } from '../../lib/contract/clock.ts';
import { AUTHORITY_ENV as ENV } from '../../lib/contract/environment.ts';
import type { Log } from '../../lib/contract/log.ts';
import { createHttpsServer } from '../../lib/edge/http/https-server.ts';
import {
  createCertificateListener,
  listenPlaintext,
  type CertificateListener,
} from '../../lib/edge/http/certificate-listener.ts';
import { createAuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { createMetricsServer } from '../../lib/edge/telemetry/metrics-server.ts';
import { startCertificateRenewal, type CertificateObserver } from './certificates.ts';
import type { ClusterClient } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import { createTrustedBundlesReader } from './trust-bundle-users.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import { createReadiness, type Readiness } from '../../lib/server/readiness.ts';
import { createComponents, type ComponentDeps, type Components } from './components.ts';
import { createAuthorityRoutes } from './routes.ts';
import { bootstrap, type Prerequisites, type BootstrapDeps } from './bootstrap.ts';

export type AuthorityDeps = {
  readonly cluster: ClusterClient;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timings: Timings;
  /** Where records go as lines, beside the replica's volume. */
  readonly output: BootstrapDeps['output'];
};

/** All in milliseconds. */
export type Timings = {
  /** Between looks at the certificate, and at the keys of grants, while all is well. */
  readonly certificateMs: number;
  readonly keysMs: number;
  /**
   * At the end, streams are told to go elsewhere, and answers on old connections go on, for so long;
   * what is under way then has so long to finish.
   */
  readonly lingerMs: number;
  readonly graceMs: number;
};

/** The end takes less than the pod's grace period; a trade takes up to fifteen seconds. */
export const DEFAULT_TIMINGS: Timings = {
  certificateMs: 10_000,
  keysMs: 10_000,
  lingerMs: 2_000,
  graceMs: 16_000,
};

export type Authority = {
  /** Ports it listens on; HTTPS only once there is a certificate. */
  readonly ports: () => { readonly https: number | undefined; readonly telemetry: number };
  /** Not ready, goodbye on streams, no new connection, nothing under way, records closed. */
  readonly drain: () => Promise<void>;
};

/**
 * Builds the authority and starts it: telemetry at once; the rest once there is a place for records;
 * HTTPS as soon as there is a certificate.
 */
export const startAuthority = async (
  config: AuthorityConfig,
  edges: AuthorityDeps,
): Promise<Authority> => {
  const { log, clock } = edges;
  const started: { components?: Components } = {};
  const metrics = createAuthorityMetrics({
    policies: () => started.components?.policies.ageSeconds(),
    revocations: () => started.components?.revocations.ageSeconds(),
    profiles: () => started.components?.templates.ageSeconds(),
  });
  const audit = createAuditHealth(edges);
  const readiness = createReadiness(
    {
      audit: () => started.components !== undefined && audit.isHealthy(),
      keys: () => started.components?.keys.jwks() !== undefined,
      identity: () => started.components?.hasClusterIssuer() === true,
      profiles: () => started.components?.templates.accepted() !== undefined,
      policies: () => started.components?.policies.isCurrent() === true,
      revocations: () => started.components?.revocations.isCurrent() === true,
    },
    clock,
  );
  const plain = createMetricsServer({ ...metrics, unready: readiness.unready });
  const telemetry = await listenPlaintext(plain, {
    setting: ENV.telemetry,
    address: config.telemetry,
  });
  const prerequisites = await bootstrap(config, {
    ...edges,
    observer: {
      written: (batch) => {
        metrics.auditRecordsWritten(batch);
        audit.written();
      },
      failed: (error) => {
        metrics.auditWriteFailed(error.code);
        audit.failed(error);
      },
    },
    onFailure: (error) => log.warn('authority cannot start yet', toErrorFields(error)),
  });
  const components = createComponents(config, { ...edges, prerequisites, metrics });
  started.components = components;
  const serving = startServer(config, edges, {
    components: components,
    prerequisites,
    metrics,
    readiness,
  });
  log.info('authority started', { pod: config.podName });
  const shutdown = async (): Promise<void> => {
    readiness.drain();
    log.info('authority drains', { pod: config.podName });
    await Promise.all([serving.drain(), components.streams.drain(edges.timings.lingerMs)]);
    serving.stop();
    components.stop();
    await prerequisites.audit.close();
    plain.close();
    plain.closeAllConnections();
  };
  let shutdownPromise: Promise<void> | undefined;
  return {
    ports: () => ({ https: serving.port(), telemetry }),
    drain: () => (shutdownPromise ??= shutdown()),
  };
};

type ServingDeps = {
  readonly components: Components;
  readonly prerequisites: Prerequisites;
  readonly metrics: ComponentDeps['metrics'];
  readonly readiness: Readiness;
};

const startServer = (
  config: AuthorityConfig,
  edges: AuthorityDeps,
  { components, metrics, readiness }: ServingDeps,
) => {
  const { log, clock, random, timings, cluster } = edges;
  const { platform, connections, connectionsPerPeer } = config;
  const server = createHttpsServer(
    createAuthorityRoutes({
      ...components.routes,
      authority: platform.authority,
      metrics,
      log,
      clock,
    }),
    { connections, perPeer: connectionsPerPeer },
  );
  const user = createCertificateListener(server, {
    listen: { setting: ENV.listen, address: config.listen },
    onUse: ({ notAfter }) =>
      log.info('certificate in use', { notAfter: new Date(notAfter).toISOString() }),
  });
  const templates = components.templates.accepted;
  const readClientBundles = createTrustedBundlesReader({
    listInjectedPods: cluster.listInjectedPods,
    templates,
    clock,
  });
  const everyMs = timings.certificateMs;
  const certificates = startCertificateRenewal(
    config,
    { ...cluster.certificate, readClientBundles, clock, random, everyMs },
    buildCertificateObserver(edges, { metrics, readiness, user }),
  );
  return {
    port: user.port,
    drain: () => server.drain(timings),
    stop: certificates.stop,
  };
};

const buildCertificateObserver = (
  { log }: Pick<AuthorityDeps, 'log'>,
  {
    metrics,
    readiness,
    user,
  }: Omit<ServingDeps, 'components' | 'prerequisites'> & {
    readonly user: CertificateListener;
  },
): CertificateObserver => ({
  onStep: (step, faults) => log.info('CA step taken', { step, faults }),
  onServing: (serving) => {
    user.use(serving);
    metrics.certificate(serving);
    readiness.setCertificate(serving);
  },
  onBundlesMissingNextCa: metrics.trustBundlesMissingNextCa,
  onFailure: (error) => {
    metrics.reconcileFailed('certificate');
    log.warn('certificate not kept', toErrorFields(error));
  },
});

/** A place of records that does not take them is told of once, loudly, until it does again. */
const createAuditHealth = ({ log }: Pick<AuthorityDeps, 'log'>) => {
  let isHealthy = true;
  return {
    isHealthy: () => isHealthy,
    written: (): void => {
      if (!isHealthy) log.info('records are kept again');
      isHealthy = true;
    },
    failed: (error: Error): void => {
      if (isHealthy) log.error('records are not kept: nothing is issued', toErrorFields(error));
      isHealthy = false;
    },
  };
};
