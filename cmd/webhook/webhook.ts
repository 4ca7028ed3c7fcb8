import { randomUUID } from 'node:crypto';

import { openCatalogue, type LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { WEBHOOK_ENV as ENV } from '../../lib/contract/environment.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import { createJsonApp } from '../../lib/edge/http/express-app.ts';
import { openHttpsServer } from '../../lib/edge/http/https-server.ts';
import {
  listenAtFirstCertificate,
  listenPlainly,
  type CertificateUser,
} from '../../lib/edge/http/listening.ts';
import { createMetricsServer } from '../../lib/edge/telemetry/metrics-server.ts';
import {
  openWebhookMetrics,
  type WebhookMetrics,
} from '../../lib/edge/telemetry/webhook-metrics.ts';
import { declaredTasks } from '../../lib/injection/declared-tasks.ts';
import { podAdmission } from '../../lib/injection/pod-admission.ts';
import { profileOf } from '../../lib/injection/profile.ts';
import { keepCertificate, type CertificateReports } from './certificates.ts';
import type { Cluster } from './cluster.ts';
import type { WebhookConfig } from './config.ts';
import { errorFields } from './error-fields.ts';
import type { PolicyGate } from './policy-gate.ts';
import { openProfiles, ownProfileOnly, type Profiles } from './profiles.ts';
import { openReadiness, type Readiness } from './readiness.ts';
import { rememberTasks } from './remembered-tasks.ts';
import { watchRoots } from './roots.ts';
import { admissionRoutes } from './routes.ts';
import { openSurroundings } from './surroundings.ts';

export type WebhookEdges = {
  /** Absent under `VALETKEY_CLUSTER=none`. */
  readonly cluster: Cluster | undefined;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly pace: Pace;
};

/** All in milliseconds. */
export type Pace = {
  /** Between looks at the certificate, and between passes over the profiles, while all is well. */
  readonly certificateMs: number;
  readonly profilesMs: number;
  /**
   * At the end, answers on old connections go on for so long while API servers move to other
   * replicas, and what is under way then has so long to finish.
   */
  readonly lingerMs: number;
  readonly graceMs: number;
};

/** The end takes less than the pod's grace period. */
export const PACE: Pace = {
  certificateMs: 10_000,
  profilesMs: 600_000,
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
export const startWebhook = async (
  config: WebhookConfig,
  edges: WebhookEdges,
): Promise<Webhook> => {
  const { cluster, log, clock } = edges;
  const loadCatalogue = openCatalogue();
  const gate = await openGate(config, edges, loadCatalogue);
  const ages = { profiles: () => profiles.ageSeconds(), policies: () => gate?.ageSeconds() };
  const metrics = openWebhookMetrics(ages);
  const profiles = openProfilesIn(cluster, metrics, edges);
  const stopUsing = keepProfile(config.platform, profiles, edges);
  const needs = { profiles: profiles.isPublished, ...(gate && { policies: gate.isKnown }) };
  const readiness = openReadiness(needs, clock);
  const { unready } = readiness;
  const parts = { profiles, metrics, unready, gate, loadCatalogue };
  const server = openHttpsServer(createAdmissionApp(config, edges, parts));
  const user = listenAtFirstCertificate(server, {
    listen: { setting: ENV.listen, address: config.listen },
    onUse: ({ notAfter }) =>
      log.info('certificate in use', { notAfter: new Date(notAfter).toISOString() }),
  });
  const reports = certificateReports(edges, { metrics, readiness, user });
  const certificates = keepCertificate(config, cluster, reports);
  const plain = createMetricsServer({ ...metrics, unready });
  const telemetry = await listenPlainly(plain, {
    setting: ENV.telemetry,
    address: config.telemetry,
  });
  log.info('webhook started', { pod: config.podName, trust: config.platform.trust });
  return {
    ports: () => ({ https: user.port(), telemetry }),
    drain: async () => {
      readiness.drain();
      log.info('webhook drains', { pod: config.podName });
      await server.drain(edges.pace);
      certificates.stop();
      stopUsing();
      gate?.stop();
      profiles.stop();
      plain.close();
      plain.closeAllConnections();
    },
  };
};

/** Cedar is large, and of no use under `trust: cluster`. */
const openGate = async (
  { platform }: WebhookConfig,
  { cluster, ...edges }: WebhookEdges,
  loadCatalogue: LoadCatalogue,
): Promise<PolicyGate | undefined> => {
  const { authority } = platform;
  if (authority === undefined || cluster === undefined) return undefined;
  const { openPolicyGate } = await import('./policy-gate.ts');
  return openPolicyGate({ platform, authority }, { cluster, loadCatalogue, ...edges });
};

const openProfilesIn = (
  cluster: Cluster | undefined,
  metrics: WebhookMetrics,
  { pace, ...edges }: WebhookEdges,
): Profiles => {
  const onCount = metrics.profilesKnown;
  if (cluster === undefined) return ownProfileOnly(onCount);
  const everyMs = pace.profilesMs;
  return openProfiles({ ...cluster.profiles, ...edges, onCount, everyMs });
};

/**
 * Our profile hangs on the platform, and under `trust: authority` on the roots of the moment.
 *
 * @returns stops it
 */
const keepProfile = (
  platform: Platform,
  { use }: Pick<Profiles, 'use'>,
  { cluster, log, random }: WebhookEdges,
): (() => void) => {
  if (platform.trust === 'cluster' || cluster === undefined) {
    use(profileOf(platform));
    return () => undefined;
  }
  const onRoots = (roots: string): void => use(profileOf(platform, roots));
  return watchRoots({ watch: cluster.watchRoots, log, random, onRoots });
};

type AdmissionParts = {
  readonly profiles: Profiles;
  readonly metrics: WebhookMetrics;
  readonly unready: Readiness['unready'];
  readonly gate: PolicyGate | undefined;
  readonly loadCatalogue: LoadCatalogue;
};

const createAdmissionApp = (
  { platform }: WebhookConfig,
  { log, clock, cluster }: WebhookEdges,
  { profiles, metrics, unready, gate, loadCatalogue }: AdmissionParts,
) => {
  const onBug = (error: unknown): string => {
    const id = randomUUID();
    log.error('bug', { id, ...errorFields(error) });
    return id;
  };
  const readTasks = rememberTasks(declaredTasks(platform, loadCatalogue));
  const { published, accepted } = profiles;
  const judging = gate && { judgeTasks: gate.judgeTasks };
  const admission = podAdmission({
    platform,
    published,
    profiles: accepted,
    readTasks,
    ...judging,
    ...(cluster && { readSurroundings: openSurroundings({ ...cluster, log }) }),
  });
  const admitPolicy = gate?.admitPolicy;
  const posts = admissionRoutes({ admission, admitPolicy, profiles, metrics, log, clock, onBug });
  return createJsonApp({ posts, unready, onBug });
};

const certificateReports = (
  { log, clock, random, pace }: WebhookEdges,
  parts: { metrics: WebhookMetrics; readiness: Readiness; user: CertificateUser },
): CertificateReports => ({
  now: clock.now,
  random,
  everyMs: pace.certificateMs,
  onStep: (step, faults) => log.info('CA step taken', { step, faults }),
  onServing: (serving) => {
    parts.user.use(serving);
    parts.metrics.certificate(serving);
    parts.readiness.certificate(serving);
  },
  onFailure: (error) => {
    parts.metrics.certificateRoundFailed();
    log.warn('certificate not kept', errorFields(error));
  },
});
