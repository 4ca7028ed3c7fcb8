import { randomUUID } from 'node:crypto';

import { createCatalogLoader, type LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { WEBHOOK_ENV as ENV } from '../../lib/contract/environment.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { createJsonApp } from '../../lib/edge/http/json-app.ts';
import { createHttpsServer } from '../../lib/edge/http/https-server.ts';
import {
  createCertificateListener,
  listenPlaintext,
  type CertificateListener,
} from '../../lib/edge/http/certificate-listener.ts';
import { createMetricsServer } from '../../lib/edge/telemetry/metrics-server.ts';
import {
  createWebhookMetrics,
  type WebhookMetrics,
} from '../../lib/edge/telemetry/webhook-metrics.ts';
import { createTaskReader } from '../../lib/injection/declared-tasks.ts';
import { evaluateAdmission, type AdmissionStage } from '../../lib/injection/admission.ts';
import type { AdmissionDeps } from '../../lib/injection/admission-inputs.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../../lib/admission/review.ts';
import { buildInjectionTemplate } from '../../lib/injection/injection-template.ts';
import { startCertificateRenewal, type CertificateDeps } from './certificates.ts';
import type { ClusterClient } from './cluster.ts';
import type { WebhookConfig } from './config.ts';
import { toErrorFields } from './error-fields.ts';
import type { PolicyGate } from './policy-gate.ts';
import {
  createTemplateRegistry,
  createLocalTemplateRegistry,
  type TemplateRegistry,
} from './template-registry.ts';
import { createReadiness, type Readiness } from './readiness.ts';
import { cacheTasks } from './cached-tasks.ts';
import { watchTrustBundle } from './trust-bundle-watch.ts';
import { createAdmissionRoutes } from './routes.ts';
import { createPodContextReader } from './pod-context.ts';

export type WebhookDeps = {
  /** Absent under `VALETKEY_CLUSTER=none`. */
  readonly cluster: ClusterClient | undefined;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timings: Timings;
};

/** All in milliseconds. */
export type Timings = {
  /** Between looks at the certificate, and between passes over the profiles, while all is well. */
  readonly certificateMs: number;
  readonly templatesMs: number;
  /**
   * At the end, answers on old connections go on for so long while API servers move to other
   * replicas, and what is under way then has so long to finish.
   */
  readonly lingerMs: number;
  readonly graceMs: number;
};

/** The end takes less than the pod's grace period. */
export const DEFAULT_TIMINGS: Timings = {
  certificateMs: 10_000,
  templatesMs: 600_000,
  lingerMs: 2_000,
  graceMs: 12_000,
};

export type Webhook = {
  /** Ports it listens on; HTTPS only once there is a certificate. */
  readonly ports: () => { readonly https: number | undefined; readonly telemetry: number };
  /** First not ready, then no new connection, then nothing under way. */
  readonly drain: () => Promise<void>;
};

/** Builds the webhook and starts it: telemetry at once, HTTPS as soon as there is a certificate. */
export const startWebhook = async (config: WebhookConfig, edges: WebhookDeps): Promise<Webhook> => {
  const { cluster, log, clock } = edges;
  const loadCatalog = createCatalogLoader();
  const gate = await loadPolicyGate(config, edges, loadCatalog);
  const ages = { profiles: () => profiles.ageSeconds(), policies: () => gate?.ageSeconds() };
  const metrics = createWebhookMetrics(ages);
  const profiles = selectTemplateRegistry(cluster, metrics, edges);
  const stopTemplateUpdates = startTemplateUpdates(config.platform, profiles, edges);
  const checks = { profiles: profiles.isPublished, ...(gate && { policies: gate.isLoaded }) };
  const readiness = createReadiness(checks, clock);
  const { unready } = readiness;
  const parts = { templates: profiles, metrics, unready, gate, loadCatalog };
  const server = createHttpsServer(createAdmissionApp(config, edges, parts));
  const user = createCertificateListener(server, {
    listen: { setting: ENV.listen, address: config.listen },
    onUse: ({ notAfter }) =>
      log.info('certificate in use', { notAfter: new Date(notAfter).toISOString() }),
  });
  const reports = buildCertificateDeps(edges, { metrics, readiness, user });
  const certificates = startCertificateRenewal(config, cluster, reports);
  const plain = createMetricsServer({ ...metrics, unready });
  const telemetry = await listenPlaintext(plain, {
    setting: ENV.telemetry,
    address: config.telemetry,
  });
  log.info('webhook started', { pod: config.podName, trust: config.platform.trust });
  return {
    ports: () => ({ https: user.port(), telemetry }),
    drain: async () => {
      readiness.drain();
      log.info('webhook drains', { pod: config.podName });
      await server.drain(edges.timings);
      certificates.stop();
      stopTemplateUpdates();
      gate?.stop();
      profiles.stop();
      plain.close();
      plain.closeAllConnections();
    },
  };
};

/** Cedar is large, and of no use under `trust: cluster`. */
const loadPolicyGate = async (
  { platform }: WebhookConfig,
  { cluster, ...edges }: WebhookDeps,
  loadCatalog: LoadCatalog,
): Promise<PolicyGate | undefined> => {
  const { authority } = platform;
  if (authority === undefined || cluster === undefined) return undefined;
  const { createPolicyGate } = await import('./policy-gate.ts');
  return createPolicyGate({ platform, authority }, { cluster, loadCatalog, ...edges });
};

const selectTemplateRegistry = (
  cluster: ClusterClient | undefined,
  metrics: WebhookMetrics,
  { timings, ...edges }: WebhookDeps,
): TemplateRegistry => {
  const onCount = metrics.injectionTemplatesCounted;
  if (cluster === undefined) return createLocalTemplateRegistry(onCount);
  const everyMs = timings.templatesMs;
  return createTemplateRegistry({ ...cluster.templates, ...edges, onCount, everyMs });
};

/**
 * Our profile hangs on the platform, and under `trust: authority` on the roots of the moment.
 *
 * @returns stops it
 */
const startTemplateUpdates = (
  platform: Platform,
  { use }: Pick<TemplateRegistry, 'use'>,
  { cluster, log, random }: WebhookDeps,
): (() => void) => {
  if (platform.trust === 'cluster' || cluster === undefined) {
    use(buildInjectionTemplate(platform));
    return () => undefined;
  }
  const onTrustBundle = (roots: string): void => use(buildInjectionTemplate(platform, roots));
  return watchTrustBundle({ watch: cluster.watchTrustBundle, log, random, onTrustBundle });
};

type AdmissionAppDeps = {
  readonly templates: TemplateRegistry;
  readonly metrics: WebhookMetrics;
  readonly unready: Readiness['unready'];
  readonly gate: PolicyGate | undefined;
  readonly loadCatalog: LoadCatalog;
};

const createAdmissionApp = (
  { platform }: WebhookConfig,
  { log, clock, cluster }: WebhookDeps,
  { templates, metrics, unready, gate, loadCatalog }: AdmissionAppDeps,
) => {
  const reportInternalError = (error: unknown): string => {
    const id = randomUUID();
    log.error('internal error', { id, ...toErrorFields(error) });
    return id;
  };
  const admission: AdmissionDeps = {
    platform,
    published: templates.published,
    templates: templates.accepted,
    refreshIfUnknown: templates.refreshIfUnknown,
    readTasks: cacheTasks(createTaskReader(platform, loadCatalog)),
    ...(gate && { evaluatePolicy: gate.evaluatePolicy }),
    ...(cluster && { readPodContext: createPodContextReader({ ...cluster, log }) }),
  };
  const evaluate =
    (stage: AdmissionStage) =>
    async (request: AdmissionRequest): Promise<AdmissionOutcome> =>
      (await evaluateAdmission(stage, request, admission)).outcome;
  const posts = createAdmissionRoutes({
    mutatePod: evaluate('mutate'),
    validatePod: evaluate('validate'),
    admitPolicy: gate?.admitPolicy,
    metrics,
    log,
    clock,
    reportInternalError,
  });
  return createJsonApp({ posts, unready, reportInternalError });
};

const buildCertificateDeps = (
  { log, clock, random, timings }: WebhookDeps,
  parts: { metrics: WebhookMetrics; readiness: Readiness; user: CertificateListener },
): CertificateDeps => ({
  now: clock.now,
  random,
  everyMs: timings.certificateMs,
  onStep: (step, faults) => log.info('CA step taken', { step, faults }),
  onServing: (serving) => {
    parts.user.use(serving);
    parts.metrics.certificate(serving);
    parts.readiness.setCertificate(serving);
  },
  onFailure: (error) => {
    parts.metrics.reconcileFailed();
    log.warn('certificate not kept', toErrorFields(error));
  },
});
