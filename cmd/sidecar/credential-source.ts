import { randomBytes } from 'node:crypto';

import { createHeldDecisions } from '../../lib/calls/held-decisions.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Exchange } from '../../lib/contract/exchange.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Schedule } from '../../lib/contract/schedule.ts';
import type { AuthorityClient } from '../../lib/edge/authority/authority-client.ts';
import { createStsClient } from '../../lib/edge/aws/sts-client.ts';
import { createStsExchange } from '../../lib/edge/aws/sts-exchange.ts';
import type { SidecarMetrics } from '../../lib/edge/telemetry/sidecar-metrics.ts';
import { createHeartbeatMonitor } from '../../lib/runs/heartbeat-monitor.ts';
import { buildSessionName } from '../../lib/scope/aws/session-name.ts';
import { buildSessionPolicy } from '../../lib/scope/aws/session-policy.ts';
import type { AuthorityConfig, ClusterConfig, SidecarConfig } from './config.ts';
import { createRevocationSubscriber, type RevocationSubscriber } from './revocation-subscriber.ts';
import { pause } from './system-clock.ts';
import { createTokenReader } from './token-file.ts';

/** Where credentials come from. Nothing else in the program depends on the trust setting. */
export type CredentialSource = {
  readonly exchange: Exchange;
  /** Absent under `trust: cluster`: without an authority there are no revocations. */
  readonly authority?: RevocationSubscriber & Pick<AuthorityClient, 'propose'>;
};

export type CredentialSourceDeps = {
  readonly metrics: SidecarMetrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly schedule: Schedule;
  /** A number from 0 to 1, for jitter. */
  readonly random: () => number;
  /** The context of the trace of an exchange; absent: tracing is off. */
  readonly getTraceHeaders?: () => Readonly<Record<string, string>>;
};

/** Creates the source that the trust setting selects. Opens no connection yet. */
export const createCredentialSource = (
  config: SidecarConfig,
  deps: CredentialSourceDeps,
): CredentialSource =>
  config.trust === 'authority'
    ? createAuthoritySource(config, deps)
    : { exchange: createClusterExchange(config, deps) };

/** `trust: authority`: the authority decides, exchanges, and streams revocations. */
const createAuthoritySource = (
  { authority: access, tokenFile }: AuthorityConfig,
  deps: CredentialSourceDeps,
): CredentialSource => {
  const { clock, metrics, random, schedule, getTraceHeaders } = deps;
  const readToken = createTokenReader(tokenFile);
  const monitor = createHeartbeatMonitor(clock);
  const client = createLazyAuthorityClient(async () => {
    const { createAuthorityClient } = await import('../../lib/edge/authority/authority-client.ts');
    return createAuthorityClient(access, {
      readToken,
      clock,
      random,
      pause,
      onContact: monitor.recordDecision,
      reportSkew: (skewMs) => metrics.clockSkew(skewMs / 1000),
      ...(getTraceHeaders && { getTraceHeaders }),
    });
  });
  const { disconnectTimeoutSeconds: disconnectTimeoutSeconds } = access;
  const subscriber = createRevocationSubscriber(
    { client, monitor, readToken, ...deps },
    { disconnectTimeoutSeconds },
  );
  const held = createHeldDecisions(client.decideCall, { now: clock.monotonic, schedule });
  return {
    exchange: subscriber.followExchange(client.exchange),
    authority: { ...subscriber, decideCall: held, propose: client.propose },
  };
};

/** Loads the client on first use: TLS takes time and memory that delay the sidecar's readiness. */
const createLazyAuthorityClient = (load: () => Promise<AuthorityClient>): AuthorityClient => {
  let loading: Promise<AuthorityClient> | undefined;
  let loaded: AuthorityClient | undefined;
  const getClient = async (): Promise<AuthorityClient> => (loaded = await (loading ??= load()));
  return {
    exchange: async (request, signal, onRetry) =>
      (await getClient()).exchange(request, signal, onRetry),
    connect: async (opening, onLine, signal) =>
      (await getClient()).connect(opening, onLine, signal),
    reportEnd: async (report) => (await getClient()).reportEnd(report),
    decideCall: async (request) => (await getClient()).decideCall(request),
    redecide: async (ticket) => (await getClient()).redecide(ticket),
    delegate: async (ticket, details) => (await getClient()).delegate(ticket, details),
    reportCalls: async (report) => (await getClient()).reportCalls(report),
    propose: async (proposal) => (await getClient()).propose(proposal),
    reconnect: () => loaded?.reconnect(),
  };
};

/** `trust: cluster`: the pod's projected token goes to STS directly. */
const createClusterExchange = (
  { cloud, podName, podIps, tokenFile }: ClusterConfig,
  { metrics, clock, random }: CredentialSourceDeps,
): Exchange =>
  createStsExchange({
    assumeRole: createStsClient(cloud),
    readToken: createTokenReader(tokenFile),
    sessionPolicy: ({ task, params }, deadline) =>
      buildSessionPolicy({ task, params, deadline, cloud, podIps }),
    sessionName: (run) => buildSessionName({ podName, run }),
    newRun: () => randomBytes(12).toString('base64url'),
    clock,
    reportSkew: (skewMs) => metrics.clockSkew(skewMs / 1000),
    random,
  });
