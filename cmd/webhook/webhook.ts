import type { ReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import { getRequestId } from '../../lib/async/request-context.ts';
import { createCatalogLoader, type LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { WEBHOOK_ENV as ENV } from '../../lib/contract/environment.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { createJsonApp } from '../../lib/edge/http/json-app.ts';
import { identifyRequests } from '../../lib/edge/http/request-ids.ts';
import {
  createWebhookMetrics,
  type WebhookMetrics,
} from '../../lib/edge/telemetry/webhook-metrics.ts';
import { startTracing, type Tracing } from '../../lib/edge/telemetry/tracing.ts';
import { createTaskReader } from '../../lib/injection/declared-tasks.ts';
import { evaluateAdmission, type AdmissionStage } from '../../lib/injection/admission.ts';
import { evaluateWorkload } from '../../lib/injection/workload-admission.ts';
import type { AdmissionDeps } from '../../lib/injection/admission-inputs.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../../lib/admission/review.ts';
import { buildInjectionTemplate } from '../../lib/injection/injection-template.ts';
import {
  buildReconcilerOptions,
  startCertificateFileReload,
  startSelfSignedRenewal,
  type CertificateObserver,
} from '../../lib/server/certificates.ts';
import { createInternalErrorReporter } from '../../lib/server/error-fields.ts';
import { createRequestLog } from '../../lib/server/request-log.ts';
import {
  startTelemetry,
  type LifecycleOptions,
  type RunningServer,
} from '../../lib/server/lifecycle.ts';
import { createReadiness, type Readiness } from '../../lib/server/readiness.ts';
import { createWatchSync, type WatchSync } from '../../lib/server/watch-sync.ts';
import type { ClusterClient } from './cluster.ts';
import type { WebhookConfig } from './config.ts';
import type { PolicyGate } from './policy-gate.ts';
import {
  createTemplateRegistry,
  createLocalTemplateRegistry,
  type TemplateRegistry,
} from './template-registry.ts';
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
  /** For tests, instead of what the settings say. */
  readonly tracing?: Tracing;
  readonly timings: Timings;
};

/** All in milliseconds. */
export type Timings = LifecycleOptions['timings'] & {
  /** Interval between checks of the certificate, and of the injection templates. */
  readonly certificateMs: number;
  readonly templatesMs: number;
};

/** The shutdown takes less than the pod's grace period. */
export const DEFAULT_TIMINGS: Timings = {
  certificateMs: 10_000,
  templatesMs: 600_000,
  lingerMs: 2_000,
  graceMs: 12_000,
};

export type Webhook = RunningServer;

/** Builds and starts the webhook: telemetry immediately, HTTPS after the first certificate. */
export const startWebhook = async (config: WebhookConfig, given: WebhookDeps): Promise<Webhook> => {
  const deps = { ...given, log: createRequestLog(given.log) };
  const { log, clock, timings } = deps;
  const loadCatalog = createCatalogLoader();
  const tracing =
    deps.tracing ??
    (await startTracing({
      endpoint: config.tracingEndpoint,
      samplerRatio: config.tracingSamplerRatio,
      program: 'webhook',
    }));
  const syncs = { templates: createWatchSync(clock), policies: createWatchSync(clock) };
  const metrics = createWebhookMetrics({
    now: clock.now,
    secondsSinceSync: {
      'injection-templates': syncs.templates.ageSeconds,
      taskpolicies: syncs.policies.ageSeconds,
    },
    readIds: () => ({ request: getRequestId(), trace: tracing.traceId() }),
  });
  const gate = await loadPolicyGate(config, {
    ...deps,
    loadCatalog,
    metrics,
    sync: syncs.policies,
  });
  const templates = selectTemplateRegistry(metrics, { ...deps, sync: syncs.templates });
  const stopTemplateUpdates = startTemplateUpdates(config.platform, templates, deps);
  const checks = {
    injection_templates: templates.isPublished,
    ...(gate && { policies: gate.isLoaded }),
  };
  const readiness = createReadiness(Object.keys(checks), clock);
  readiness.setChecks(checks);
  const { unready } = readiness;
  const telemetry = await startTelemetry(
    {
      logFields: { pod: config.podName, trust: config.platform.trust },
      listen: { setting: ENV.listen, address: config.listen },
      telemetry: { setting: ENV.telemetry, address: config.telemetry },
      timings,
    },
    { readiness, metrics, log },
  );
  return telemetry.serve({
    handler: createAdmissionApp(config, deps, {
      templates,
      metrics,
      unready,
      gate,
      loadCatalog,
      tracing,
    }),
    startCertificates: (observer) => startCertificates(config, deps, observer),
    stop: async () => {
      stopTemplateUpdates();
      gate?.stop();
      templates.stop();
      await tracing.stop();
    },
  });
};

const startCertificates = (
  config: WebhookConfig,
  { cluster, clock, random, timings }: WebhookDeps,
  observer: CertificateObserver,
): ReconcileLoop => {
  const renewal = { everyMs: timings.certificateMs, random };
  if (config.certificates === 'files' || cluster === undefined) {
    const options = { ...renewal, folder: config.certificatesFolder };
    return startCertificateFileReload(options, observer, cluster?.readConfigurations);
  }
  const options = buildReconcilerOptions({
    names: [`${config.service}.${config.namespace}.svc`],
    authorityLifetimeSeconds: config.authorityLifetimeSeconds,
    leafLifetimeSeconds: config.leafLifetimeSeconds,
  });
  const deps = { ...cluster.certificate, now: clock.now };
  return startSelfSignedRenewal({ ...options, ...renewal }, deps, observer);
};

/** Cedar is large, and not used with `trust: cluster`. */
const loadPolicyGate = async (
  { platform }: WebhookConfig,
  {
    cluster,
    ...edges
  }: WebhookDeps & {
    readonly loadCatalog: LoadCatalog;
    readonly metrics: WebhookMetrics;
    readonly sync: WatchSync;
  },
): Promise<PolicyGate | undefined> => {
  const { authority } = platform;
  if (authority === undefined || cluster === undefined) return undefined;
  const { createPolicyGate } = await import('./policy-gate.ts');
  return createPolicyGate({ platform, authority }, { cluster, ...edges });
};

const selectTemplateRegistry = (
  metrics: WebhookMetrics,
  { cluster, timings, ...edges }: WebhookDeps & { readonly sync: WatchSync },
): TemplateRegistry => {
  const onCount = metrics.injectionTemplatesCounted;
  if (cluster === undefined) return createLocalTemplateRegistry(onCount);
  const everyMs = timings.templatesMs;
  return createTemplateRegistry({ ...cluster.templates, ...edges, onCount, everyMs });
};

/**
 * Publishes the injection template of these settings. With `trust: authority` it contains the trust
 * bundle, so each new bundle makes a new template.
 *
 * @returns a function that stops the updates
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
  readonly tracing: Tracing;
};

const createAdmissionApp = (
  { platform }: WebhookConfig,
  { log, clock, cluster }: WebhookDeps,
  { templates, metrics, unready, gate, loadCatalog, tracing }: AdmissionAppDeps,
) => {
  const reportInternalError = createInternalErrorReporter(log);
  const admission: AdmissionDeps = {
    platform,
    published: templates.published,
    templates: templates.accepted,
    refreshIfUnknown: templates.refreshIfUnknown,
    readTasks: cacheTasks(createTaskReader(platform, loadCatalog)),
    ...(gate && { evaluatePolicy: gate.evaluatePolicy, findUpstreamUrl: gate.findUpstreamUrl }),
    ...(cluster && {
      readPodContext: tracing.wrap(
        'admission.read_context',
        createPodContextReader({ ...cluster, log }),
      ),
    }),
  };
  const evaluate = (stage: AdmissionStage) =>
    tracing.wrap(
      'admission.evaluate',
      async (request: AdmissionRequest): Promise<AdmissionOutcome> =>
        (await evaluateAdmission(stage, request, admission)).outcome,
    );
  const posts = createAdmissionRoutes({
    mutatePod: evaluate('mutate'),
    validatePod: evaluate('validate'),
    warnWorkload: (request) => evaluateWorkload(request, admission),
    admitPolicy: gate?.admitPolicy,
    metrics,
    log,
    clock,
    reportInternalError,
  });
  const app = createJsonApp({ posts, unready, reportInternalError });
  return identifyRequests(tracing.wrapListener(app, Object.keys(posts)));
};
