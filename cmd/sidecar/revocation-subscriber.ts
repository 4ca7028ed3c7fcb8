import type { CallReport } from '../../lib/calls/journal.ts';
import { createRecordReporter, type RecordReporter } from '../../lib/calls/record-reporter.ts';
import type { RunEnd } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { AuthorityClient } from '../../lib/edge/authority/authority-client.ts';
import type {
  AuthorityConnectionState,
  SidecarMetrics,
} from '../../lib/edge/telemetry/sidecar-metrics.ts';
import type { ActiveRun, EndReason } from '../../lib/runs/active-runs.ts';
import { createEndReportQueue, type EndReportQueue } from '../../lib/runs/end-reports.ts';
import { watchDisconnect, type HeartbeatMonitor } from '../../lib/runs/heartbeat-monitor.ts';
import { subscribe } from '../../lib/runs/revocation-stream.ts';
import { buildAuthorityDisconnectedRefusal } from '../../lib/runs/run-refusal.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';

/** Receives revocations from the authority, and reports the ends and the calls of runs to it. */
export type RevocationSubscriber = {
  /** Until when all revocations are known, on the monotonic clock. */
  readonly revocationsCurrentUntil: () => number;
  readonly getConnectionState: () => AuthorityConnectionState;
  /** Applies revocations to the registry from now on. */
  readonly subscribe: (registry: RunRegistry) => void;
  readonly reportRunEnd: (run: ActiveRun, reason: EndReason) => void;
  /** Queues the head of a run's journal; never blocks. */
  readonly reportCalls: (report: CallReport) => void;
  /** Ends the subscription and sends the queued reports; takes at most `withinMs`. */
  readonly shutdown: (withinMs: number) => Promise<void>;
};

export type RevocationSubscriberDeps = {
  readonly client: Pick<AuthorityClient, 'connect' | 'reportEnd' | 'reportCalls' | 'reconnect'>;
  readonly monitor: HeartbeatMonitor;
  /** Reads the projected token from its file. @throws ExchangeError `token_unreadable` */
  readonly readToken: () => string;
  readonly metrics: SidecarMetrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
};

export type RevocationSubscriberOptions = {
  /** Ends all runs after that long without contact; undefined: runs last until their deadline. */
  readonly disconnectTimeoutSeconds: number | undefined;
};

export const createRevocationSubscriber = (
  deps: RevocationSubscriberDeps,
  { disconnectTimeoutSeconds }: RevocationSubscriberOptions,
): RevocationSubscriber => {
  const { monitor } = deps;
  const reports = createReportQueue(deps);
  const records = createRecordQueue(deps);
  let isConnected = false;
  let stops: readonly (() => void)[] = [];
  const onState = (state: boolean): void => void (isConnected = state);
  return {
    revocationsCurrentUntil: monitor.getLastLineAt,
    getConnectionState: () => ({
      isConnected,
      lastContactAt: deps.clock.now() - monitor.getDisconnectedMs(),
    }),
    subscribe: (registry) => {
      stops = [subscribeToRevocations(deps, { registry, onState })];
      if (disconnectTimeoutSeconds === undefined) return;
      const disconnectTimeoutMs = disconnectTimeoutSeconds * 1000;
      stops = [...stops, endRunsOnDisconnect(deps, { registry, disconnectTimeoutMs })];
    },
    reportRunEnd: ({ run, expiresAtMonotonic: until }, reason) => {
      if (isReported(reason)) reports.report({ run, end: reason, until });
    },
    reportCalls: records.report,
    shutdown: async (withinMs) => {
      for (const stop of stops) stop();
      await Promise.all([reports.drain(withinMs), records.drain(withinMs)]);
    },
  };
};

/** The authority knows which runs expired, and it revoked the revoked ones. */
const isReported = (reason: EndReason): reason is RunEnd =>
  reason !== 'expired' && reason !== 'revoked';

const createReportQueue = ({
  client,
  metrics,
  log,
  clock,
  schedule,
  random,
}: RevocationSubscriberDeps): EndReportQueue =>
  createEndReportQueue({
    send: client.reportEnd,
    onOutcome: ({ run, end }, outcome) => {
      metrics.endReported(outcome);
      if (outcome !== 'reported') log.warn('run end not reported', { run, end, outcome });
    },
    clock,
    schedule,
    random,
  });

/** Without a record, the lines on standard output still form a chain. */
const createRecordQueue = ({
  client,
  log,
  schedule,
  random,
}: RevocationSubscriberDeps): RecordReporter =>
  createRecordReporter({
    send: client.reportCalls,
    onOutcome: ({ run, calls }, outcome) => {
      if (outcome === 'reported') return;
      log.warn('calls not recorded', { run, from: calls.from, to: calls.to, outcome });
    },
    schedule,
    random,
  });

const subscribeToRevocations = (
  { client, monitor, readToken, metrics, log, clock, schedule, random }: RevocationSubscriberDeps,
  { registry, onState }: { registry: RunRegistry; onState: (isConnected: boolean) => void },
): (() => void) => {
  let seenNames = new Set<string>();
  let lastFailure = '';
  return subscribe({
    connect: client.connect,
    readToken,
    clock,
    schedule,
    random,
    onContact: monitor.recordLine,
    onRevocations: (active) => {
      registry.revoke(active);
      const added = active.filter(({ name }) => !seenNames.has(name));
      seenNames = new Set(active.map(({ name }) => name));
      for (const { name } of added) {
        metrics.revocationReceived();
        log.info('revocation received', { name });
      }
    },
    onConnected: () => {
      onState(true);
      if (lastFailure !== '') log.info('authority reconnected');
      lastFailure = '';
    },
    onDisconnected: (reason, message) => {
      onState(false);
      if (reason === 'reconnect') client.reconnect();
      // Planned ends and a repeated failure are not logged.
      if (PLANNED_DISCONNECTS.has(reason) || reason === lastFailure) return;
      lastFailure = reason;
      log.warn('authority disconnected', { code: reason, reason: message });
    },
  });
};

const PLANNED_DISCONNECTS: ReadonlySet<string> = new Set(['reconnect', 'renewal', 'ended']);

const endRunsOnDisconnect = (
  { monitor, log, schedule }: RevocationSubscriberDeps,
  { registry, disconnectTimeoutMs }: { registry: RunRegistry; disconnectTimeoutMs: number },
): (() => void) =>
  watchDisconnect(monitor, {
    disconnectTimeoutMs,
    schedule,
    onDisconnect: (disconnectedMs) => {
      const seconds = Math.round(disconnectedMs / 1000);
      log.warn('authority disconnect timeout reached', { seconds });
      registry.revokeAll(buildAuthorityDisconnectedRefusal(disconnectedMs));
    },
  });
