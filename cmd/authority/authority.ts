import type { Clock } from '../../lib/contract/clock.ts';
import { AUTHORITY_ENV as ENV } from '../../lib/contract/environment.ts';
import type { Log } from '../../lib/contract/log.ts';
import { openHttpsServer } from '../../lib/edge/http/https-server.ts';
import {
  listenAtFirstCertificate,
  listenPlainly,
  type CertificateUser,
} from '../../lib/edge/http/listening.ts';
import { openAuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { createMetricsServer } from '../../lib/edge/telemetry/metrics-server.ts';
import { keepCertificate, type CertificateReports } from './certificates.ts';
import type { Cluster } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import { openDependents } from './dependents.ts';
import { errorFields } from './error-fields.ts';
import { openReadiness, type Readiness } from './readiness.ts';
import { openRooms, type RoomEdges, type Rooms } from './rooms.ts';
import { authorityRoutes } from './routes.ts';
import { layFoundation, type Foundation, type StartupEdges } from './startup.ts';

export type AuthorityEdges = {
  readonly cluster: Cluster;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly pace: Pace;
  /** Where records go as lines, beside the replica's volume. */
  readonly output: StartupEdges['output'];
};

/** All in milliseconds. */
export type Pace = {
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
export const PACE: Pace = {
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
  edges: AuthorityEdges,
): Promise<Authority> => {
  const { log, clock } = edges;
  const late: { rooms?: Rooms } = {};
  const metrics = openAuthorityMetrics({
    policies: () => late.rooms?.policies.ageSeconds(),
    revocations: () => late.rooms?.revocations.ageSeconds(),
    profiles: () => late.rooms?.profiles.ageSeconds(),
  });
  const audit = openAuditHealth(edges);
  const readiness = openReadiness(
    {
      audit: () => late.rooms !== undefined && audit.isWell(),
      keys: () => late.rooms?.keys.jwks() !== undefined,
      identity: () => late.rooms?.identity.isReady() === true,
      profiles: () => late.rooms?.profiles.known() !== undefined,
      policies: () => late.rooms?.policies.isCurrent() === true,
      revocations: () => late.rooms?.revocations.isCurrent() === true,
    },
    clock,
  );
  const plain = createMetricsServer({ ...metrics, unready: readiness.unready });
  const telemetry = await listenPlainly(plain, {
    setting: ENV.telemetry,
    address: config.telemetry,
  });
  const foundation = await layFoundation(config, {
    ...edges,
    observer: {
      written: (batch) => {
        metrics.recordsWritten(batch);
        audit.written();
      },
      failed: (error) => {
        metrics.recordsFailed(error.code);
        audit.failed(error);
      },
    },
    onFailure: (error) => log.warn('authority cannot start yet', errorFields(error)),
  });
  const opened = openRooms(config, { ...edges, foundation, metrics });
  late.rooms = opened;
  const serving = serve(config, edges, { rooms: opened, foundation, metrics, readiness });
  log.info('authority started', { pod: config.podName });
  const end = async (): Promise<void> => {
    readiness.drain();
    log.info('authority drains', { pod: config.podName });
    await Promise.all([serving.drain(), opened.streams.drain(edges.pace.lingerMs)]);
    serving.stop();
    opened.stop();
    await foundation.audit.close();
    plain.close();
    plain.closeAllConnections();
  };
  let ending: Promise<void> | undefined;
  return {
    ports: () => ({ https: serving.port(), telemetry }),
    drain: () => (ending ??= end()),
  };
};

type ServingParts = {
  readonly rooms: Rooms;
  readonly foundation: Foundation;
  readonly metrics: RoomEdges['metrics'];
  readonly readiness: Readiness;
};

const serve = (
  config: AuthorityConfig,
  edges: AuthorityEdges,
  { rooms, metrics, readiness }: ServingParts,
) => {
  const { log, clock, random, pace, cluster } = edges;
  const { platform, connections, connectionsPerPeer } = config;
  const server = openHttpsServer(
    authorityRoutes({ ...rooms.routes, authority: platform.authority, metrics, log, clock }),
    { connections, perPeer: connectionsPerPeer },
  );
  const user = listenAtFirstCertificate(server, {
    listen: { setting: ENV.listen, address: config.listen },
    onUse: ({ notAfter }) =>
      log.info('certificate in use', { notAfter: new Date(notAfter).toISOString() }),
  });
  const profiles = rooms.profiles.known;
  const readDependents = openDependents({ injectedPods: cluster.injectedPods, profiles, clock });
  const everyMs = pace.certificateMs;
  const certificates = keepCertificate(
    config,
    { ...cluster.certificate, readDependents, clock, random, everyMs },
    certificateReports(edges, { metrics, readiness, user }),
  );
  return {
    port: user.port,
    drain: () => server.drain(pace),
    stop: certificates.stop,
  };
};

const certificateReports = (
  { log }: Pick<AuthorityEdges, 'log'>,
  {
    metrics,
    readiness,
    user,
  }: Omit<ServingParts, 'rooms' | 'foundation'> & {
    readonly user: CertificateUser;
  },
): CertificateReports => ({
  onStep: (step, faults) => log.info('CA step taken', { step, faults }),
  onServing: (serving) => {
    user.use(serving);
    metrics.certificate(serving);
    readiness.certificate(serving);
  },
  onLacking: metrics.rootsLacking,
  onFailure: (error) => {
    metrics.roundFailed('certificate');
    log.warn('certificate not kept', errorFields(error));
  },
});

/** A place of records that does not take them is told of once, loudly, until it does again. */
const openAuditHealth = ({ log }: Pick<AuthorityEdges, 'log'>) => {
  let isWell = true;
  return {
    isWell: () => isWell,
    written: (): void => {
      if (!isWell) log.info('records are kept again');
      isWell = true;
    },
    failed: (error: Error): void => {
      if (isWell) log.error('records are not kept: nothing is issued', errorFields(error));
      isWell = false;
    },
  };
};
