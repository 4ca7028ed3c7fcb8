import { randomUUID } from 'node:crypto';

import { openCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import { createJsonApp } from '../../lib/edge/http/express-app.ts';
import { openHttpsServer } from '../../lib/edge/http/https-server.ts';
import { createMetricsServer } from '../../lib/edge/telemetry/metrics-server.ts';
import {
  openWebhookMetrics,
  type WebhookMetrics,
} from '../../lib/edge/telemetry/webhook-metrics.ts';
import { podAdmission } from '../../lib/injection/pod-admission.ts';
import { profileOf, type PublishedProfile } from '../../lib/injection/profile.ts';
import { keepCertificate, type CertificateReports } from './certificates.ts';
import type { Cluster } from './cluster.ts';
import type { WebhookConfig } from './config.ts';
import { declarationReader } from './declarations.ts';
import { errorFields } from './error-fields.ts';
import { listenAtFirstCertificate, listenPlainly, type CertificateUser } from './listening.ts';
import { openProfiles, ownProfileOnly, type Profiles } from './profiles.ts';
import { openReadiness, type Readiness } from './readiness.ts';
import { rememberTasks } from './remembered-tasks.ts';
import { admissionRoutes } from './routes.ts';

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
  const published = profileOf(config.platform);
  const metrics = openWebhookMetrics(() => profiles.ageSeconds());
  const profiles = openProfilesIn(cluster, { published, metrics, edges });
  const readiness = openReadiness(profiles, clock);
  const { unready } = readiness;
  const server = openHttpsServer(
    createAdmissionApp(config, edges, { published, profiles, metrics, unready }),
  );
  const user = listenAtFirstCertificate(server, {
    listen: config.listen,
    onUse: ({ notAfter }) =>
      log.info('certificate in use', { notAfter: new Date(notAfter).toISOString() }),
  });
  const reports = certificateReports(edges, { metrics, readiness, user });
  const certificates = keepCertificate(config, cluster, reports);
  const plain = createMetricsServer({ ...metrics, unready });
  const telemetry = await listenPlainly(plain, config.telemetry);
  log.info('webhook started', { pod: config.podName, profile: published.hash });
  return {
    ports: () => ({ https: user.port(), telemetry }),
    drain: async () => {
      readiness.drain();
      log.info('webhook drains', { pod: config.podName });
      await server.drain(edges.pace);
      certificates.stop();
      profiles.stop();
      plain.close();
      plain.closeAllConnections();
    },
  };
};

const openProfilesIn = (
  cluster: Cluster | undefined,
  {
    published,
    metrics,
    edges,
  }: { published: PublishedProfile; metrics: WebhookMetrics; edges: WebhookEdges },
): Profiles => {
  const onCount = metrics.profilesKnown;
  if (cluster === undefined) return ownProfileOnly(published, onCount);
  const { pace, ...rest } = edges;
  const everyMs = pace.profilesMs;
  return openProfiles(published, { ...cluster.profiles, ...rest, onCount, everyMs });
};

type AdmissionParts = {
  readonly published: PublishedProfile;
  readonly profiles: Profiles;
  readonly metrics: WebhookMetrics;
  readonly unready: Readiness['unready'];
};

const createAdmissionApp = (
  { platform }: WebhookConfig,
  { log, clock }: WebhookEdges,
  { published, profiles, metrics, unready }: AdmissionParts,
) => {
  const onBug = (error: unknown): string => {
    const id = randomUUID();
    log.error('bug', { id, ...errorFields(error) });
    return id;
  };
  const readTasks = rememberTasks(declarationReader(platform, openCatalogue()));
  const admission = podAdmission({ platform, published, profiles: profiles.accepted, readTasks });
  const posts = admissionRoutes({ admission, profiles, metrics, log, clock, onBug });
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
