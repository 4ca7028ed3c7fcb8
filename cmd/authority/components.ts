import { createCatalogLoader, type LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import { createUserJwksFetcher } from '../../lib/edge/http/user-jwks.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import {
  createCallerIdentification,
  type CallerIdentification,
} from '../../lib/exchange/caller-identification.ts';
import type { AuditBudget } from '../../lib/exchange/audit-budget.ts';
import { createRateLimits, type RateLimits } from '../../lib/exchange/rate-limits.ts';
import type { Caller } from '../../lib/exchange/caller.ts';
import { limitRefusalRecords } from '../../lib/exchange/refusal-record-limit.ts';
import type { DecideRun } from '../../lib/exchange/request-authorization.ts';
import { authenticateStream } from '../../lib/exchange/stream-authentication.ts';
import type { TokenEndpointDeps } from '../../lib/exchange/token-endpoint.ts';
import { createRunIds, type RunIds } from '../../lib/grant/run-ids.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { evaluateRunPolicy } from '../../lib/policy/run-decision.ts';
import { createInternalErrorReporter, toErrorFields } from '../../lib/server/error-fields.ts';
import { startAuditExport, type AuditExport } from './audit-export.ts';
import type { Prerequisites } from './bootstrap.ts';
import type { ClusterClient } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import { createEventStreams, type EventStreams } from './event-streams.ts';
import { startCountedRecords } from './counted-records.ts';
import type { OnFailure } from './failures.ts';
import { startGarbageCollector } from './garbage-collector.ts';
import { startIssuer, type Issuer } from './issuer.ts';
import type { RevocationWatch } from './revocation-watch.ts';
import type { AuthorityRouteDeps } from './routes.ts';
import { createRunEndHandler } from './run-end.ts';
import type { TaskPolicies } from './task-policies.ts';
import type { TemplateWatch } from './template-watch.ts';
import { startWatches, type Watches, type WatchSyncs } from './watches.ts';

/** The components of the authority, connected to each other. */
export type Components = {
  readonly keys: Issuer['keys'];
  /** Whether the cluster's issuer is known. */
  readonly hasClusterIssuer: () => boolean;
  readonly templates: TemplateWatch;
  readonly policies: TaskPolicies<CompiledPolicies>;
  readonly revocations: RevocationWatch;
  readonly streams: EventStreams;
  readonly routes: Omit<AuthorityRouteDeps, 'authority' | 'metrics' | 'log' | 'clock'>;
  /** Records the refusals that were only counted. @throws AuditError */
  readonly recordCounted: () => Promise<void>;
  readonly stop: () => void;
};

export type ComponentDeps = {
  readonly budget: AuditBudget;
  readonly cluster: ClusterClient;
  readonly prerequisites: Prerequisites;
  readonly metrics: AuthorityMetrics;
  readonly syncs: WatchSyncs;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timings: { readonly keysMs: number };
};

/** Share of all connections that event streams may use; the rest is for runs. */
const STREAM_SHARE = 0.75;

/** The composition root: builds every component and connects them. */
export const createComponents = (config: AuthorityConfig, deps: ComponentDeps): Components => {
  const loadCatalog = createCatalogLoader();
  const reportInternalError = createInternalErrorReporter(deps.log);
  const watches = startWatches(config, { ...deps, ...buildSharedDeps(deps) });
  const { templates, policies, revocations, issuerLookup } = watches;
  const identification = identifyCallers(config, deps, { watches, loadCatalog });
  const runs = startRunComponents(config, deps, { watches, identification });
  const { issuer, runEnd, garbageCollector } = runs;
  const rateLimits = createRateLimits(toRateOptions(config), deps.clock);
  const verification = createVerification(deps, { identification, rateLimits });
  const { record, queue } = deps.prerequisites.audit;
  deps.metrics.measureCapacity('audit_queue', queue);
  deps.metrics.measureCapacity('token_verifications', rateLimits.verifications);
  const { newRun, belongsTo } = createRunIds(deps.prerequisites.auditKeys.runs);
  const streams = startStreams(config, deps, { revocations, verification, belongsTo });
  const checkRateLimits = limitByBudget(verification.checkRateLimits, deps.budget);
  const exchange: TokenEndpointDeps = {
    ...{ ...verification, checkRateLimits },
    verifyUserToken: identification.verifyUserToken,
    findRevocation: revocations.find,
    decideRun: createRunDecision({ policies, rateLimits, loadCatalog }),
    sourceRestriction: config.platform.cloud.sourceRestriction.mode,
    dialect: config.platform.cloud.dialect,
    vend: config.platform.policy.vend,
    newRun,
    issueCredentials: issuer.cloud.issueCredentials,
    record,
    emitPodEvent: createPodEventReporter(deps),
    reportInternalError,
  };
  const { reportRunEnd } = runEnd;
  const { publicJwks: jwks } = issuer;
  const callRecords = { ...verification, checkRateLimits, record, belongsTo };
  const endRun = { ...callRecords, reportRunEnd };
  const counted = startCountedRecords({ ...buildSharedDeps(deps), budget: deps.budget });
  const auditExports = startExports(config, deps, issuer);
  const running = [streams, garbageCollector, runEnd, issuer, counted, ...auditExports];
  const watching = [revocations, policies, issuerLookup, templates];
  return {
    keys: issuer.keys,
    hasClusterIssuer: () => issuerLookup.getIssuer() !== undefined,
    templates,
    policies,
    revocations,
    streams,
    routes: {
      ...{ exchange, callRecords, runEnd: endRun, streams, rateLimits, jwks },
      reportInternalError,
    },
    recordCounted: counted.recordCounted,
    stop: () => [...running, ...watching].forEach((component) => component.stop()),
  };
};

const identifyCallers = (
  { platform, podAddresses }: AuthorityConfig,
  { cluster, clock }: ComponentDeps,
  { watches, loadCatalog }: { readonly watches: Watches; readonly loadCatalog: LoadCatalog },
): CallerIdentification =>
  createCallerIdentification(
    { platform, comparesPeer: podAddresses === 'compare' },
    {
      ...cluster.identity,
      getClusterIssuer: watches.issuerLookup.getIssuer,
      fetchUserJwks: createUserJwksFetcher,
      getTemplates: watches.templates.accepted,
      loadCatalog,
      clock,
    },
  );

/** What issues credentials, denies ended sessions at the cloud, and removes what has expired. */
const startRunComponents = (
  config: AuthorityConfig,
  deps: ComponentDeps,
  {
    watches: { revocations },
    identification,
  }: { readonly watches: Watches; readonly identification: CallerIdentification },
) => {
  const { cluster, metrics, log, timings } = deps;
  const shared = buildSharedDeps(deps);
  const issuer = startIssuer(config, { ...shared, cluster, metrics, log, timings });
  const runEnd = createRunEndHandler(config, { ...shared, cluster, metrics, revocations, issuer });
  const garbageCollector = startGarbageCollector({
    ...shared,
    revocations,
    remove: cluster.revocations.remove,
    readPodUid: createPodUidReader(cluster),
    collectLeases: identification.collectLeases,
    maxLifetimeSeconds: config.platform.tasks.maxLifetimeSeconds,
  });
  return { issuer, runEnd, garbageCollector };
};

/** None if audit files are not exported. */
const startExports = (
  { platform, podName }: AuthorityConfig,
  { prerequisites, metrics, log, random }: ComponentDeps,
  { cloud: { uploadAuditFile: upload } }: Issuer,
): readonly AuditExport[] => {
  const { exports } = prerequisites.audit;
  const { auditExport } = platform.authority;
  if (auditExport === undefined || exports === undefined || upload === undefined) return [];
  const { prefix } = auditExport;
  const started = startAuditExport({
    ...{ exports, replica: podName, prefix, upload, random },
    onOutcome: metrics.auditFileExported,
    onFailure: (error) => {
      metrics.reconcileFailed('audit-export');
      log.warn('audit file not exported', toErrorFields(error));
    },
  });
  return [started];
};

type Verification = ReturnType<typeof createVerification>;

/** The checks that token exchanges, event streams and ends of runs share. */
const createVerification = (
  { prerequisites, budget, clock }: ComponentDeps,
  {
    identification,
    rateLimits,
  }: { readonly identification: CallerIdentification; readonly rateLimits: RateLimits },
) => ({
  verifyPodToken: rateLimits.limitVerifications(identification.verifyPodToken),
  checkRateLimits: rateLimits.checkRateLimits,
  identifyWorkload: identification.identifyWorkload,
  recordRefusal: budget.limitRefusals(limitRefusalRecords(prerequisites.audit.record, clock)),
  now: clock.now,
});

/** A stream causes no record unless it is refused, so the budget does not limit streams. */
const limitByBudget =
  (checkRateLimits: RateLimits['checkRateLimits'], { checkBudget }: AuditBudget) =>
  (caller: Caller): void => {
    checkRateLimits(caller);
    checkBudget(caller);
  };

const startStreams = (
  { connections }: AuthorityConfig,
  { prerequisites, metrics, clock }: ComponentDeps,
  {
    revocations,
    verification,
    belongsTo,
  }: {
    readonly revocations: RevocationWatch;
    readonly verification: Verification;
    readonly belongsTo: RunIds['belongsTo'];
  },
): EventStreams => {
  const maxStreams = Math.floor(connections * STREAM_SHARE);
  const streams = createEventStreams({
    revocations,
    by: prerequisites.ownName,
    clock,
    authenticate: (token, peer) => authenticateStream(token, peer, verification),
    belongsTo,
    onCount: metrics.eventStreamsCounted,
    maxStreams,
  });
  metrics.measureCapacity('event_streams', () => ({ used: streams.count(), max: maxStreams }));
  return streams;
};

/** Decides by the current policies; a task of many pairs counts as several requests. */
const createRunDecision =
  ({
    policies,
    rateLimits,
    loadCatalog,
  }: {
    readonly policies: TaskPolicies<CompiledPolicies>;
    readonly rateLimits: RateLimits;
    readonly loadCatalog: LoadCatalog;
  }): DecideRun =>
  (request, caller) => {
    const admit = (pairs: number): void => rateLimits.chargePairs(caller, pairs);
    return evaluateRunPolicy({ policies: policies.current(), loadCatalog, admit }, request);
  };

const buildSharedDeps = (deps: ComponentDeps) => ({
  record: deps.prerequisites.audit.record,
  by: deps.prerequisites.ownName,
  clock: deps.clock,
  random: deps.random,
  onFailure: createFailureReporter(deps),
});

/** Counts and logs a failure that is retried. */
const createFailureReporter =
  ({ metrics, log }: Pick<ComponentDeps, 'metrics' | 'log'>): OnFailure =>
  (message, error) => {
    metrics.reconcileFailed('other');
    log.warn(message, toErrorFields(error));
  };

const createPodEventReporter = (deps: ComponentDeps): TokenEndpointDeps['emitPodEvent'] => {
  const onFailure = createFailureReporter(deps);
  const logFailure = (error: unknown): void => onFailure('pod event not written', error);
  return (event) => void deps.cluster.emitPodEvent(event).catch(logFailure);
};

const toRateOptions = (config: AuthorityConfig) => ({
  peer: config.peerRate,
  pod: config.podRate,
  serviceAccount: config.serviceAccountRate,
  namespace: config.namespaceRate,
  verifications: config.verifications,
});

const createPodUidReader =
  ({ identity }: Pick<ClusterClient, 'identity'>) =>
  async (place: { namespace: string; name: string }): Promise<string | undefined> => {
    const pod = await identity.readPod(place);
    return (pod as { readonly metadata?: { readonly uid?: string } } | undefined)?.metadata?.uid;
  };
