import { createLruCache } from '../../lib/async/lru-cache.ts';
import type { DecideCall } from '../../lib/calls/gates.ts';
import type { CallReport } from '../../lib/calls/journal.ts';
import { createRecordReporter, type RecordReporter } from '../../lib/calls/record-reporter.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Exchange, IssuedRun } from '../../lib/contract/exchange.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { AuthorityClient } from '../../lib/edge/authority/authority-client.ts';
import type { DelegateRun } from '../../lib/edge/authority/run-decisions.ts';
import type {
  AuthorityConnectionState,
  SidecarMetrics,
} from '../../lib/edge/telemetry/sidecar-metrics.ts';
import type { ActiveRun, EndReason } from '../../lib/runs/active-runs.ts';
import {
  createEndReportQueue,
  type EndReport,
  type EndReportQueue,
} from '../../lib/runs/end-reports.ts';
import { createFollowedRuns, type FollowedRuns } from '../../lib/runs/followed-runs.ts';
import { watchDisconnect, type HeartbeatMonitor } from '../../lib/runs/heartbeat-monitor.ts';
import { subscribe } from '../../lib/runs/revocation-stream.ts';
import { buildAuthorityDisconnectedRefusal } from '../../lib/runs/run-refusal.ts';
import type { RunRegistry } from '../../lib/runs/run-registry.ts';

import { watchPolicyChanges } from './policy-changes.ts';

/** Receives revocations from the authority, and reports the ends and the calls of runs to it. */
export type RevocationSubscriber = {
  /** Until when all revocations are known, on the monotonic clock. */
  readonly revocationsCurrentUntil: () => number;
  readonly getConnectionState: () => AuthorityConnectionState;
  /** Applies revocations to the registry from now on. */
  readonly subscribe: (registry: RunRegistry) => void;
  /** Returns a delegated run only when what ends the runs above it is known. */
  readonly followExchange: (exchange: Exchange) => Exchange;
  /** Delegates a part of the run of a ticket. @throws ExchangeError */
  readonly delegate: DelegateRun;
  /** Asks the authority about one call. @throws ExchangeError */
  readonly decideCall: DecideCall;
  readonly reportRunEnd: (run: ActiveRun, reason: EndReason) => void;
  /** Returns the release of what was issued and never became a run. */
  readonly reportDiscarded: (issued: IssuedRun) => void;
  /** Queues the head of a run's journal; never blocks. */
  readonly reportCalls: (report: CallReport) => void;
  /** Ends the subscription and sends the queued reports; takes at most `withinMs`. */
  readonly shutdown: (withinMs: number) => Promise<void>;
};

export type RevocationSubscriberDeps = {
  readonly client: Pick<
    AuthorityClient,
    'connect' | 'reportEnd' | 'reportCalls' | 'decideCall' | 'redecide' | 'delegate' | 'reconnect'
  >;
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
  const tickets = createRunTickets();
  const records = createRecordQueue(deps, tickets.find);
  const reportRelease = (report: Omit<EndReport, 'until'>): void =>
    reports.report({ ...report, until: deps.clock.monotonic() + RELEASE_REPORT_MS });
  const discard = (issued: IssuedRun): void => {
    followed.forget(issued.run);
    if (!('secret' in issued) || issued.release === undefined) return;
    reportRelease({ run: issued.run, end: 'discarded', release: issued.release });
  };
  let isConnected = false;
  let stops: readonly (() => void)[] = [];
  let reopen = (): void => undefined;
  const followed = createFollowedRuns({ ...deps, reopen: () => reopen() });
  const onState = (state: boolean): void => void (isConnected = state);
  return {
    revocationsCurrentUntil: monitor.getLastLineAt,
    getConnectionState: () => ({
      isConnected,
      lastContactAt: deps.clock.now() - monitor.getDisconnectedMs(),
    }),
    subscribe: (registry) => {
      tickets.follow(registry);
      const changes = watchPolicyChanges({ ...deps, redecide: deps.client.redecide }, registry);
      const { onPolicies } = changes;
      const stream = subscribeToRevocations(deps, { registry, followed, onState, onPolicies });
      reopen = stream.reopen;
      stops = [stream.stop, changes.stop];
      if (disconnectTimeoutSeconds === undefined) return;
      const disconnectTimeoutMs = disconnectTimeoutSeconds * 1000;
      stops = [...stops, endRunsOnDisconnect(deps, { registry, disconnectTimeoutMs })];
    },
    reportRunEnd: (active, reason) => {
      const { run, expiresAtMonotonic: until, release } = active;
      followed.forget(run);
      tickets.keep(active);
      const report = { run, ...describeRun(active, reason) };
      if (release !== undefined) reportRelease({ ...report, end: reason, release });
      else if (reason !== 'expired' && (reason !== 'revoked' || report.hasDelegated)) {
        reports.report({ ...report, end: reason, until });
      }
    },
    followExchange: (exchange) => async (request, signal, onRetry) => {
      const issued = await exchange(request, signal, onRetry);
      const { run, ancestors } = issued;
      if (ancestors === undefined) return issued;
      try {
        await followed.follow(run, ancestors, signal);
        return issued;
      } catch (thrown) {
        discard(issued);
        throw thrown;
      }
    },
    delegate: deps.client.delegate,
    reportDiscarded: (issued) => discard(issued),
    decideCall: deps.client.decideCall,
    reportCalls: records.report,
    shutdown: async (withinMs) => {
      for (const stop of stops) stop();
      await Promise.all([reports.drain(withinMs), records.drain(withinMs)]);
    },
  };
};

/** How long a release is reported: tokens of some servers outlive their run by an hour. */
const RELEASE_REPORT_MS = 3_600_000;

/**
 * What the report of an end says about the run: its ticket, for the record, and whether runs end with it. The authority knows which runs expired and which it revoked, but
 * not that a run ended with the one above it.
 */
const describeRun = (
  { hasDelegated, ancestors, oversight }: ActiveRun,
  reason: EndReason,
): Pick<EndReport, 'ticket' | 'hasDelegated'> => ({
  hasDelegated: hasDelegated === true || (ancestors !== undefined && reason === 'revoked'),
  ...(oversight?.ticket !== undefined && { ticket: oversight.ticket }),
});

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

/** Runs that have ended and whose calls may not be reported yet. Each ticket has 1 to 16 KiB. */
const MAX_ENDED = 64;

type RunTickets = {
  readonly follow: (registry: Pick<RunRegistry, 'listActive'>) => void;
  /** To be called at the end of a run. */
  readonly keep: (run: ActiveRun) => void;
  readonly find: (run: string) => string | undefined;
};

/** The tickets of runs, also of those whose calls are reported after their end. */
const createRunTickets = (): RunTickets => {
  const ended = createLruCache<string>(MAX_ENDED);
  let listActive: RunRegistry['listActive'] = () => [];
  return {
    follow: (registry) => void (listActive = registry.listActive),
    keep: ({ run, task, oversight }) => {
      // Calls with vended keys are not reported.
      if (task.delivery === 'sign' && oversight?.ticket !== undefined) {
        ended.set(run, oversight.ticket);
      }
    },
    find: (run) =>
      ended.get(run) ?? listActive().find((active) => active.run === run)?.oversight?.ticket,
  };
};

/** Without a record, the lines on standard output still form a chain. */
const createRecordQueue = (
  { client, log, schedule, random }: RevocationSubscriberDeps,
  findTicket: RunTickets['find'],
): RecordReporter =>
  createRecordReporter({
    send: (report) => client.reportCalls({ ...report, ticket: findTicket(report.run) }),
    onOutcome: ({ run, calls }, outcome) => {
      if (outcome === 'reported') return;
      log.warn('calls not recorded', { run, from: calls.from, to: calls.to, outcome });
    },
    schedule,
    random,
  });

const subscribeToRevocations = (
  { client, monitor, readToken, metrics, log, clock, schedule, random }: RevocationSubscriberDeps,
  {
    registry,
    followed,
    onState,
    onPolicies,
  }: {
    registry: RunRegistry;
    followed: FollowedRuns;
    onState: (isConnected: boolean) => void;
    onPolicies: (version: string) => void;
  },
): ReturnType<typeof subscribe> => {
  let seenNames = new Set<string>();
  let lastFailure = '';
  return subscribe({
    connect: client.connect,
    readToken,
    clock,
    schedule,
    random,
    onContact: monitor.recordLine,
    listFollowed: followed.list,
    onFollowed: followed.confirm,
    onPolicies,
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

const PLANNED_DISCONNECTS: ReadonlySet<string> = new Set([
  'reconnect',
  'renewal',
  'follow',
  'ended',
]);

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
