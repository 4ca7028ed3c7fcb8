import { randomUUID } from 'node:crypto';

import type { Recorder } from '../../lib/audit/audit-event.ts';
import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { createRunIds, type RunIds } from '../../lib/grant/run-ids.ts';
import type { Caller, VerifyPodToken } from '../../lib/exchange/caller.ts';
import { createRateLimits, type RateLimits } from '../../lib/exchange/rate-limits.ts';
import { recordRefusedCall } from '../../lib/exchange/refusal-record.ts';
import { limitRefusalRecords } from '../../lib/exchange/refusal-record-limit.ts';
import type { TokenRefusal } from '../../lib/exchange/token-refusal.ts';
import { compilePolicies, type CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { evaluateRunPolicy } from '../../lib/policy/run-decision.ts';
import type { ClusterClient } from './cluster.ts';
import { startGarbageCollector } from './garbage-collector.ts';
import type { AuthorityConfig } from './config.ts';
import { createRunEndHandler } from './run-end.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import type { OnFailure } from './failures.ts';
import { createIdentityVerifier, type IdentityVerifier } from './identity.ts';
import { startIssuer, type Issuer } from './issuer.ts';
import { watchTaskPolicies, type TaskPolicies } from './task-policies.ts';
import { watchPublishedTemplates, type TemplateWatch } from './template-watch.ts';
import { watchRevocations, type RevocationWatch } from './revocation-watch.ts';
import type { AuthorityRouteDeps } from './routes.ts';
import type { Prerequisites } from './bootstrap.ts';
import type { StreamPod } from './stream-registry.ts';
import { createEventStreams, type EventStreams } from './event-streams.ts';

/** Every room of the authority, open, and bound to each other. */
export type Components = {
  readonly keys: Issuer['keys'];
  readonly identity: IdentityVerifier;
  readonly templates: TemplateWatch;
  readonly policies: TaskPolicies<CompiledPolicies>;
  readonly revocations: RevocationWatch;
  readonly streams: EventStreams;
  readonly routes: Omit<AuthorityRouteDeps, 'authority' | 'metrics' | 'log' | 'clock'>;
  readonly stop: () => void;
};

export type ComponentDeps = {
  readonly cluster: ClusterClient;
  readonly prerequisites: Prerequisites;
  readonly metrics: AuthorityMetrics;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timings: { readonly keysMs: number };
};

/** Of all connections; the rest is for runs. */
const STREAM_SHARE = 0.75;

export const createComponents = (config: AuthorityConfig, edges: ComponentDeps): Components => {
  const { cluster, prerequisites, metrics, log, clock, random } = edges;
  const { ownName: by, audit, auditKeys } = prerequisites;
  const { authority, tasks } = config.platform;
  const onFailure: OnFailure = (message, error) => {
    metrics.reconcileFailed('other');
    log.warn(message, toErrorFields(error));
  };
  const shared = { record: audit.record, clock, random, onFailure };
  const loadCatalog = createCatalogLoader();
  const templates = watchPublishedTemplates(cluster.watchTemplates, { clock, random, log });
  const identity = createIdentityVerifier(config, {
    ...{ cluster: cluster.identity, templates, loadCatalog, clock, random, log },
  });
  const policies = watchTaskPolicies({
    ...shared,
    watch: cluster.watchPolicies,
    compile: compilePolicies,
    writeStatus: cluster.policies.writeStatus,
    staleAfterSeconds: authority.policyMaxStalenessSeconds,
    onCount: metrics.taskPoliciesCounted,
  });
  const revocations = watchRevocations({
    ...{ ...shared, by },
    watch: cluster.watchRevocations,
    onCount: metrics.revocationsCounted,
  });
  const issuer = startIssuer(config, { ...edges, ...shared });
  const runEnd = createRunEndHandler(config, { ...edges, ...shared, by, revocations, issuer });
  const garbageCollector = startGarbageCollector({
    ...{ ...shared, by, revocations },
    remove: cluster.revocations.remove,
    readPodUid: createPodUidReader(cluster),
    collectLeases: identity.collectLeases,
    maxLifetimeSeconds: tasks.maxLifetimeSeconds,
  });
  const rateLimits = createRateLimits(toRateOptions(config), clock);
  const verifyPodToken = rateLimits.limitVerifications(identity.verify);
  const runIds = createRunIds(auditKeys.runs);
  const recordRefusal = limitRefusalRecords(audit.record, clock);
  const streams = createEventStreams({
    ...{ revocations, by, clock },
    authenticate: createStreamAuthenticator(verifyPodToken, rateLimits, {
      recordRefusal,
      now: clock.now,
    }),
    belongsTo: runIds.belongsTo,
    onCount: metrics.eventStreamsCounted,
    maxStreams: Math.floor(config.connections * STREAM_SHARE),
  });
  const evaluateRun: AuthorityRouteDeps['exchange']['evaluatePolicy'] = async (
    question,
    claimant,
  ) => {
    const admit = (pairs: number): void => rateLimits.chargePairs(claimant, pairs);
    return evaluateRunPolicy({ policies: policies.current(), loadCatalog, admit }, question);
  };
  const exchangeDeps = {
    verify: verifyPodToken,
    runIds,
    decide: evaluateRun,
    identity,
    revocations,
    issuer,
    recordRefusal,
  };
  const exchange = buildExchangeDeps(config, edges, { ...exchangeDeps, rateLimits, onFailure });
  const { now } = clock;
  const { reportRunEnd } = runEnd;
  return {
    ...{ keys: issuer.keys, identity, templates, policies, revocations, streams },
    routes: {
      exchange,
      runEnd: {
        ...{
          verifyPodToken,
          checkRateLimits: rateLimits.checkRateLimits,
          record: audit.record,
          reportRunEnd,
          now,
        },
        belongsTo: runIds.belongsTo,
      },
      ...{
        streams,
        rateLimits,
        jwks: issuer.publicJwks,
        reportInternalError: exchange.reportInternalError,
      },
    },
    stop: () => {
      const running = [
        streams,
        garbageCollector,
        runEnd,
        issuer,
        revocations,
        policies,
        identity,
        templates,
      ];
      for (const component of running) component.stop();
    },
  };
};

const buildExchangeDeps = (
  { platform }: AuthorityConfig,
  { cluster, prerequisites, log, clock }: ComponentDeps,
  rooms: {
    readonly verify: VerifyPodToken;
    readonly rateLimits: RateLimits;
    readonly runIds: RunIds;
    readonly decide: AuthorityRouteDeps['exchange']['evaluatePolicy'];
    readonly identity: IdentityVerifier;
    readonly revocations: RevocationWatch;
    readonly issuer: Issuer;
    readonly recordRefusal: Recorder;
    readonly onFailure: OnFailure;
  },
): AuthorityRouteDeps['exchange'] => ({
  verifyPodToken: rooms.verify,
  checkRateLimits: rooms.rateLimits.checkRateLimits,
  verifyUserToken: rooms.identity.consumeUserToken,
  findRevocation: rooms.revocations.find,
  evaluatePolicy: rooms.decide,
  bind: platform.cloud.bind.mode,
  newRun: rooms.runIds.newRun,
  issueCredentials: rooms.issuer.cloud.issueCredentials,
  record: prerequisites.audit.record,
  recordRefusal: rooms.recordRefusal,
  emitPodEvent: (claimant, refusal, task) => {
    const failed = (error: unknown) => rooms.onFailure('refusal not told to its pod', error);
    cluster.emitPodEvent(buildPodEvent(claimant, refusal, task)).catch(failed);
  },
  reportInternalError: (error) => {
    const id = randomUUID();
    log.error('bug', { id, ...toErrorFields(error) });
    return id;
  },
  now: clock.now,
});

const buildPodEvent = (
  { namespace, pod }: Caller,
  { code, message }: TokenRefusal,
  task?: string,
) => {
  const what = task === undefined ? '' : `task ${task}: `;
  return { namespace, pod, reason: 'RunRefused', message: `${what}${code}: ${message}` };
};

const toRateOptions = (config: AuthorityConfig) => ({
  peer: config.peerRate,
  pod: config.podRate,
  serviceAccount: config.serviceAccountRate,
  namespace: config.namespaceRate,
  verifications: config.verifications,
});

/** Who listens is held to the same as who starts a run, and a refusal is on record as well. */
const createStreamAuthenticator =
  (
    verify: VerifyPodToken,
    { checkRateLimits }: Pick<RateLimits, 'checkRateLimits'>,
    parts: Parameters<typeof recordRefusedCall>[2],
  ) =>
  async (token: string, peer: string): Promise<StreamPod> => {
    const known: { caller?: Caller } = {};
    try {
      const { caller, identifyWorkload } = await verify(token, peer);
      known.caller = caller;
      checkRateLimits(caller);
      const { namespace, serviceAccount, pod, tokenExpiresAt } = await identifyWorkload();
      return { namespace, serviceAccount, pod: pod.name, podUid: pod.uid, tokenExpiresAt };
    } catch (error) {
      throw await recordRefusedCall(error, { kind: 'stream.refused', ...known }, parts);
    }
  };

const createPodUidReader =
  ({ identity }: Pick<ClusterClient, 'identity'>) =>
  async (place: { namespace: string; name: string }): Promise<string | undefined> => {
    const pod = await identity.readPod(place);
    return (pod as { readonly metadata?: { readonly uid?: string } } | undefined)?.metadata?.uid;
  };
