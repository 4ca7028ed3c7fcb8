import type { AuthorityAccess, RunEnd } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import { createEndReportQueue, type EndReportQueue } from '../../lib/runs/end-reports.ts';
import { subscribe } from '../../lib/runs/revocation-stream.ts';
import {
  createHeartbeatMonitor,
  watchDisconnect,
  type HeartbeatMonitor,
} from '../../lib/runs/heartbeat-monitor.ts';
import type { EndReason } from '../../lib/runs/active-runs.ts';
import { buildAuthorityDisconnectedRefusal } from '../../lib/runs/run-refusal.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { AuthorityClient } from '../../lib/edge/authority/authority-client.ts';
import type { SidecarMetrics } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import type { CredentialSource } from './trust.ts';

export type AuthoritySourceDeps = {
  readonly access: Pick<AuthorityAccess, 'maxSilenceSeconds'>;
  /** @param hears to be told of every decision and of every skew that was measured */
  readonly createClient: (hears: {
    onContact: () => void;
    reportSkew: (skewMs: number) => void;
  }) => AuthorityClient;
  /** Reads the projected token afresh. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  readonly log: Log;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
};

/** Trust in the authority: it decides, it is listened to, and it is told how runs end. */
export const createAuthoritySource = (
  parts: AuthoritySourceDeps,
  metrics: SidecarMetrics,
): CredentialSource => {
  const monitor = createHeartbeatMonitor(parts.clock);
  const client = parts.createClient({
    onContact: monitor.recordDecision,
    reportSkew: (skewMs) => metrics.clockSkew(skewMs / 1000),
  });
  const reports = createAuthorityEndReportQueue(parts, { client, metrics });
  let isConnected = false;
  let stops: readonly (() => void)[] = [];
  return {
    exchange: client.exchange,
    authority: {
      revocationsCurrentUntil: monitor.getLastLineAt,
      getConnectionState: () => ({
        isConnected,
        disconnectedSeconds: monitor.getDisconnectedMs() / 1000,
      }),
      subscribe: (registry) => {
        const onState = (is: boolean): void => void (isConnected = is);
        stops = [
          subscribeToRevocations(parts, { client, monitor, registry, metrics, onState }),
          watchAuthorityDisconnect(parts, { monitor, registry }),
        ];
      },
      reportRunEnd: ({ run, expiresAtMonotonic: until }, reason) => {
        if (isReported(reason)) reports.report({ run, end: reason, until });
      },
      shutdown: async (withinMs) => {
        for (const stop of stops) stop();
        await reports.drain(withinMs);
      },
    },
  };
};

/** What expired the authority knows by itself, and what was revoked it told us. */
const isReported = (reason: EndReason): reason is RunEnd =>
  reason !== 'expired' && reason !== 'revoked';

const createAuthorityEndReportQueue = (
  { log, clock, schedule, random }: AuthoritySourceDeps,
  { client, metrics }: { client: AuthorityClient; metrics: SidecarMetrics },
): EndReportQueue =>
  createEndReportQueue({
    send: client.reportEnd,
    onOutcome: ({ run, end }, outcome) => {
      metrics.endReported(outcome);
      if (outcome !== 'reported') log.warn('end of a run not reported', { run, end, outcome });
    },
    clock,
    schedule,
    random,
  });

type SubscriptionDeps = {
  readonly client: AuthorityClient;
  readonly monitor: HeartbeatMonitor;
  readonly registry: RunRegistry;
  readonly metrics: SidecarMetrics;
  readonly onState: (isConnected: boolean) => void;
};

const subscribeToRevocations = (
  { readToken, log, clock, schedule, random }: AuthoritySourceDeps,
  { client, monitor, registry, metrics, onState }: SubscriptionDeps,
): (() => void) => {
  let seenNames = new Set<string>();
  let lastCode = '';
  return subscribe({
    connect: client.connect,
    readToken,
    clock,
    schedule,
    random,
    onContact: monitor.recordLine,
    onRevocations: (active) => {
      registry.revoke(active);
      const fresh = active.filter(({ name }) => !seenNames.has(name));
      seenNames = new Set(active.map(({ name }) => name));
      for (const { name } of fresh) {
        metrics.revocationReceived();
        log.info('revocation received', { name });
      }
    },
    onConnected: () => {
      onState(true);
      if (lastCode !== '') log.info('authority is heard again');
      lastCode = '';
    },
    onDisconnected: (code, message) => {
      onState(false);
      if (code === 'reconnect') client.reconnect();
      // Planned ends, and the same failure again and again, are no news.
      if (PLANNED_DISCONNECTS.has(code) || code === lastCode) return;
      lastCode = code;
      log.warn('authority is not heard', { code, reason: message });
    },
  });
};

const PLANNED_DISCONNECTS: ReadonlySet<string> = new Set(['reconnect', 'renewal', 'ended']);

/** Without a limit of the platform's, what is held lives to its deadline. */
const watchAuthorityDisconnect = (
  { access: { maxSilenceSeconds }, log, schedule }: AuthoritySourceDeps,
  { monitor, registry }: Pick<SubscriptionDeps, 'monitor' | 'registry'>,
): (() => void) =>
  maxSilenceSeconds === undefined
    ? () => undefined
    : watchDisconnect(monitor, {
        disconnectTimeoutMs: maxSilenceSeconds * 1000,
        schedule,
        onDisconnect: (silentMs) => {
          log.warn('authority silent for too long', { seconds: Math.round(silentMs / 1000) });
          registry.revokeAll(buildAuthorityDisconnectedRefusal(silentMs));
        },
      });
