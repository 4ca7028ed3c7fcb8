import { getRequestId } from '../../lib/async/request-context.ts';
import { createCatalogLoader, type LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { Provider } from '../../lib/contract/task.ts';
import { isCloudAddress } from '../../lib/edge/http/address-check.ts';
import { createEndpointSender } from '../../lib/edge/http/endpoint-client.ts';
import type { SendToEndpoint } from '../../lib/edge/http/https-client.ts';
import { createCheckedLookup } from '../../lib/edge/http/upstream-connector.ts';
import { createAdminSessions } from '../../lib/edge/postgres/admin-session.ts';
import { createUserJwksFetcher } from '../../lib/edge/http/user-jwks.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import type { Tracing } from '../../lib/edge/telemetry/tracing.ts';
import type { IssueCredentials } from '../../lib/exchange/authorized-run.ts';
import {
  createCallerIdentification,
  type CallerIdentification,
} from '../../lib/exchange/caller-identification.ts';
import type { AuditBudget } from '../../lib/exchange/audit-budget.ts';
import {
  createCallRateLimit,
  createRateLimits,
  type RateLimits,
} from '../../lib/exchange/rate-limits.ts';
import { createCanaries } from '../../lib/exchange/canaries.ts';
import type { Caller } from '../../lib/exchange/caller.ts';
import { createEmergencies, type Emergencies } from '../../lib/exchange/emergencies.ts';
import { limitRefusalRecords } from '../../lib/exchange/refusal-record-limit.ts';
import type { DecideRun } from '../../lib/exchange/request-authorization.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import { authenticateStream } from '../../lib/exchange/stream-authentication.ts';
import type { TokenEndpointDeps } from '../../lib/exchange/token-endpoint.ts';
import { createSignalVerifier } from '../../lib/identity/signal-token.ts';
import { createRunIds, type RunIds } from '../../lib/grant/run-ids.ts';
import type { Signer } from '../../lib/grant/signer.ts';
import { createDelegationSeals } from '../../lib/grant/delegations.ts';
import { createTickets, type Tickets } from '../../lib/grant/tickets.ts';
import { computeGates } from '../../lib/policy/gates.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { evaluateCallAsking, evaluateRunAsking } from '../../lib/policy/approval-demand.ts';
import { normalizeScope } from '../../lib/task/revalidation.ts';
import { createReleaseSeals } from '../../lib/upstreams/release-seal.ts';
import { createInternalErrorReporter, toErrorFields } from '../../lib/server/error-fields.ts';
import { createApprovals } from './approvals.ts';
import { startAuditExport, type AuditExport } from './audit-export.ts';
import type { Prerequisites } from './bootstrap.ts';
import type { ClusterClient } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import { STREAM_SHARE } from './stream-registry.ts';
import { createEventStreams, type EventStreams } from './event-streams.ts';
import { startCountedRecords } from './counted-records.ts';
import type { OnFailure } from './failures.ts';
import { startGarbageCollector } from './garbage-collector.ts';
import { startIssuer, type Issuer } from './issuer.ts';
import { startOrphanedRuns, type OrphanedRunDeps, type OrphanedRuns } from './orphaned-runs.ts';
import type { RevocationWatch } from './revocation-watch.ts';
import type { OversightRouteDeps } from './oversight-routes.ts';
import type { AuthorityRouteDeps } from './routes.ts';
import { createRunEndHandler, createRunRoleReader } from './run-end.ts';
import { startDatabaseRoles, type DatabaseRoles } from './database-roles.ts';
import { createDatabaseIssue, createDatabaseSessions } from './database-runs.ts';
import { createSecretReleases } from './secret-releases.ts';
import { createSecretSources } from './secret-sources.ts';
import { createHttpIssue } from './upstream-secrets.ts';
import type { UpstreamWatch } from './upstream-watch.ts';
import type { TaskPolicies } from './task-policies.ts';
import type { TemplateWatch } from './template-watch.ts';
import { createSignalHandler, type AnswerSignal } from './signals.ts';
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
  readonly routes: Omit<AuthorityRouteDeps, 'authority' | 'metrics' | 'log' | 'clock' | 'tracing'>;
  /** Records the refusals that were only counted. @throws AuditError */
  readonly recordCounted: () => Promise<void>;
  /** Resolves when no secret of an ended run is being revoked, or after so many milliseconds. */
  readonly finishReleases: (withinMs: number) => Promise<void>;
  readonly stop: () => void;
};

export type ComponentDeps = {
  readonly budget: AuditBudget;
  readonly cluster: ClusterClient;
  readonly prerequisites: Prerequisites;
  readonly metrics: AuthorityMetrics;
  readonly syncs: WatchSyncs;
  readonly tracing: Tracing;
  readonly log: Log;
  readonly clock: Clock;
  readonly random: () => number;
  readonly timings: { readonly keysMs: number };
  /** Of the servers that Upstreams name; for tests. */
  readonly isAllowedAddress?: (address: string) => boolean;
};

/** The composition root: builds every component and connects them. */
export const createComponents = (config: AuthorityConfig, deps: ComponentDeps): Components => {
  const loadCatalog = createCatalogLoader();
  const reportInternalError = createInternalErrorReporter(deps.log);
  const { isAllowedAddress = isCloudAddress, tracing } = deps;
  const send = createEndpointSender({ isAllowedAddress });
  const { revocationMemory } = deps.prerequisites;
  const watches = startWatches(config, {
    ...{ ...deps, ...buildSharedDeps(deps), send, revocationMemory },
  });
  const { templates, policies, revocations, upstreams, issuerLookup } = watches;
  const identification = identifyCallers(config, deps, { watches, loadCatalog });
  const emergencies = createEmergencies({
    leases: deps.cluster.identity.usedHandleLeases,
    listApprovals: deps.cluster.approvals.listApprovals,
    record: deps.prerequisites.audit.record,
    onReviewed: deps.metrics.emergencyReviewed,
    now: deps.clock.now,
  });
  const runs = startRunComponents(config, deps, { watches, identification, emergencies });
  const { issuer, runEnd, garbageCollector } = runs;
  const rateLimits = createRateLimits(toRateOptions(config), deps.clock);
  const verification = createVerification(deps, { identification, rateLimits });
  const { queue } = deps.prerequisites.audit;
  const record = tracing.wrap('exchange.record', deps.prerequisites.audit.record);
  deps.metrics.measureCapacity('audit_queue', queue);
  deps.metrics.measureCapacity('token_verifications', rateLimits.verifications);
  const { newRun, belongsTo } = createRunIds(deps.prerequisites.auditKeys.runs);
  const secrets = createSecrets(config, deps, { upstreams, sign: issuer.keys.sign, send });
  const tickets = createTickets(deps.prerequisites.auditKeys.runs);
  const handles = createDelegationSeals(deps.prerequisites.auditKeys.runs);
  const streams = startStreams(config, deps, { revocations, policies, verification, belongsTo });
  const checkRateLimits = limitByBudget(verification.checkRateLimits, deps.budget);
  const { issueDatabase, databaseRoles } = startDatabases(config, deps, watches);
  const canaries = createCanaries({
    ...{ ...buildSharedDeps(deps), patterns: config.platform.authority.canaries },
    createRevocation: deps.cluster.revocations.create,
    onTouched: deps.metrics.canaryTouched,
    now: deps.clock.now,
  });
  const reportRunEnd: typeof runEnd.reportRunEnd = async (ended) => {
    const isPublished = runEnd.reportRunEnd(ended);
    await Promise.all([isPublished, databaseRoles.reportRunEnd(ended)]);
    return isPublished;
  };
  const orphanedRuns = startOrphans(config, deps, { revocations, reportRunEnd });
  const recordRun: typeof record = async (event) => {
    await record(event);
    orphanedRuns.observe(event);
  };
  const exchange: TokenEndpointDeps = {
    ...{ ...verification, checkRateLimits },
    verifyUserToken: identification.verifyUserToken,
    findRevocation: revocations.find,
    decideRun: tracing.wrap(
      'exchange.decide',
      createRunDecision({ policies, loadCatalog, chargePairs: rateLimits.chargePairs }),
    ),
    computeGates: async (request) => [
      ...(await computeGates({ policies: policies.current(), loadCatalog }, request)),
      ...canaries.listGates(request.task),
    ],
    canaries,
    sealTicket: tickets.seal,
    readHandle: handles.open,
    useOnce: identification.useOnce,
    delegableRoles: config.platform.authority.delegableRoles,
    sourceRestriction: config.platform.cloud.sourceRestriction.mode,
    dialect: config.platform.cloud.dialect,
    vend: config.platform.policy.vend,
    findUpstream: upstreams.find,
    approvals: createApprovals(config.platform.authority.approvals, {
      ...{ ...deps, ...buildSharedDeps(deps), send, useOnce: identification.useOnce },
      emergencies,
      now: deps.clock.now,
    }),
    newRun,
    issueCredentials: tracing.wrap(
      'exchange.issue',
      chooseSource({
        aws: issuer.cloud.issueCredentials,
        http: secrets.issueHttp,
        postgres: issueDatabase,
      }),
    ),
    discardIssued: secrets.releases.discardIssued,
    record: recordRun,
    emitPodEvent: createPodEventReporter(deps),
    reportInternalError,
  };
  const oversight = {
    ...createOversight(config, deps, { policies, exchange, tickets, loadCatalog }),
    sealHandle: handles.seal,
  };
  const { publicJwks: jwks } = issuer;
  const readTicket = tickets.open;
  const callRecords = { ...verification, checkRateLimits, record, belongsTo, readTicket };
  const { readRelease } = secrets.releases;
  const endRun = { ...callRecords, record: recordRun, reportRunEnd, readRelease };
  const counted = startCountedRecords({
    ...buildSharedDeps(deps),
    takeCounted: () => [...canaries.takeUnrecorded(), ...deps.budget.takeCounted()],
  });
  const auditExports = startExports(config, deps, issuer);
  const running = [
    ...[streams, garbageCollector, runEnd, orphanedRuns, databaseRoles, issuer, counted],
    ...auditExports,
  ];
  const watching = [revocations, policies, upstreams, issuerLookup, templates];
  return {
    keys: issuer.keys,
    hasClusterIssuer: () => issuerLookup.getIssuer() !== undefined,
    templates,
    policies,
    revocations,
    streams,
    routes: {
      ...{ exchange, callRecords, runEnd: endRun, oversight, streams, rateLimits, jwks },
      answerSignal: createSignals(config, deps, identification),
      reportInternalError,
    },
    recordCounted: counted.recordCounted,
    finishReleases: secrets.releases.finish,
    stop: () => [...running, ...watching].forEach((component) => component.stop()),
  };
};

/** What ends the runs of pods that could not report it. */
const startOrphans = (
  { platform: { authority } }: AuthorityConfig,
  deps: ComponentDeps,
  { revocations, reportRunEnd }: Pick<OrphanedRunDeps, 'revocations' | 'reportRunEnd'>,
): OrphanedRuns =>
  startOrphanedRuns({
    ...buildSharedDeps(deps),
    ...{ revocations, reportRunEnd, roles: authority.denyList?.roles ?? [] },
    listRunningPods: deps.cluster.listRunningPods,
    onEnded: ({ run, namespace, pod }) =>
      deps.log.info('run of an ended pod ended', { run, namespace, pod }),
  });

/** The provider of the task decides where the run's credentials come from. */
const chooseSource =
  (sources: Record<Provider, IssueCredentials>): IssueCredentials =>
  (run) =>
    sources[run.task.provider](run);

/** All that a database server needs of the authority: sessions of its admin role, and ends of runs. */
const startDatabases = (
  { platform }: AuthorityConfig,
  deps: ComponentDeps,
  { upstreams, revocations }: Watches,
): { readonly issueDatabase: IssueCredentials; readonly databaseRoles: DatabaseRoles } => {
  const { cluster, metrics, isAllowedAddress = isCloudAddress } = deps;
  const { readSourceSecret } = cluster;
  const { listDatabases, subscribe: subscribeUpstreams } = upstreams;
  const lookup = createCheckedLookup({ isAllowedAddress });
  const connectAdmin = createAdminSessions({ isAllowedAddress, lookup });
  const connectDatabase = createDatabaseSessions({ readSourceSecret, connectAdmin });
  const readRoles = async (caller: Caller): Promise<readonly string[]> => {
    const all = listDatabases().map(({ name }) => `${name}/`);
    return createRunRoleReader(cluster.identity.readPod, all)(caller);
  };
  const { maxLifetimeSeconds } = platform.tasks;
  const shared = { ...buildSharedDeps(deps), metrics, maxLifetimeSeconds };
  const databaseRoles = startDatabaseRoles({
    ...{ ...shared, listDatabases, subscribeUpstreams, connectDatabase, revocations, readRoles },
  });
  const issueDatabase = createDatabaseIssue({
    connectDatabase,
    now: deps.clock.now,
  });
  return { issueDatabase, databaseRoles };
};

/** The secrets of Upstreams: what fetches them for runs, and what revokes them afterwards. */
const createSecrets = (
  { platform: { authority } }: AuthorityConfig,
  deps: ComponentDeps,
  {
    upstreams,
    sign,
    send,
  }: {
    readonly upstreams: UpstreamWatch;
    readonly sign: Signer;
    readonly send: SendToEndpoint;
  },
) => {
  const { cluster, clock, metrics, prerequisites } = deps;
  const { readSourceSecret } = cluster;
  const sources = createSecretSources({ readSourceSecret, send, metrics, now: clock.now });
  const { seal, open } = createReleaseSeals(prerequisites.auditKeys.runs);
  const shared = { ...buildSharedDeps(deps), sources, sign, authority };
  return {
    issueHttp: createHttpIssue({ ...shared, seal, now: clock.now }),
    releases: createSecretReleases({
      ...{ ...shared, metrics, open, findUpstream: upstreams.get },
      pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref()),
    }),
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
    emergencies,
  }: {
    readonly watches: Watches;
    readonly identification: CallerIdentification;
    readonly emergencies: Emergencies;
  },
) => {
  const { cluster, metrics, log, timings, tracing } = deps;
  const shared = buildSharedDeps(deps);
  const issuer = startIssuer(config, { ...shared, cluster, metrics, log, timings, tracing });
  const runEnd = createRunEndHandler(config, { ...shared, cluster, metrics, revocations, issuer });
  const garbageCollector = startGarbageCollector({
    ...shared,
    revocations,
    remove: cluster.revocations.remove,
    readPodUid: createPodUidReader(cluster),
    collectLeases: identification.useOnce.collect,
    approvalRequests: cluster.approvals,
    proposals: cluster.proposals,
    onApprovals: metrics.approvalsListed,
    emergencies,
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
  { prerequisites, budget, clock, tracing }: ComponentDeps,
  {
    identification,
    rateLimits,
  }: { readonly identification: CallerIdentification; readonly rateLimits: RateLimits },
) => ({
  verifyPodToken: tracing.wrap(
    'exchange.verify_token',
    rateLimits.limitVerifications(identification.verifyPodToken),
  ),
  checkRateLimits: rateLimits.checkRateLimits,
  identifyWorkload: tracing.wrap('exchange.identify_workload', identification.identifyWorkload),
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
    policies,
    verification,
    belongsTo,
  }: {
    readonly revocations: RevocationWatch;
    readonly policies: TaskPolicies<CompiledPolicies>;
    readonly verification: Verification;
    readonly belongsTo: RunIds['belongsTo'];
  },
): EventStreams => {
  const maxStreams = Math.floor(connections * STREAM_SHARE);
  const streams = createEventStreams({
    revocations,
    policies,
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

/** What decides about runs that exist, by their tickets. */
const createOversight = (
  { platform, callRate, podAddresses }: AuthorityConfig,
  { clock, cluster }: ComponentDeps,
  {
    policies,
    exchange,
    tickets,
    loadCatalog,
  }: {
    readonly policies: TaskPolicies<CompiledPolicies>;
    readonly exchange: TokenEndpointDeps;
    readonly tickets: Tickets;
    readonly loadCatalog: LoadCatalog;
  },
): Omit<OversightRouteDeps, 'sealHandle'> => {
  const checkCallRate = createCallRateLimit(callRate, clock);
  const decideRun = createRunDecision({
    policies,
    loadCatalog,
    chargePairs: (caller, pairs) => checkCallRate(caller, Math.floor(pairs / PAIRS_PER_CALL)),
  });
  return {
    ...exchange,
    checkCallRate,
    readTicket: tickets.open,
    comparesPeer: podAddresses === 'compare',
    loadCatalog,
    proposalStore: cluster.proposals,
    normalizeScope: (task, allow) =>
      normalizeScope(task, allow, { limits: platform.tasks, cloud: platform.cloud, loadCatalog }),
    // An invalid policy prevents new runs. It says nothing about a run that was allowed before.
    decideRun: async (request, caller) => {
      const [blocker] = policies.current().blockers;
      if (blocker !== undefined) throw new RequestError('policy_unavailable', blocker);
      return decideRun(request, caller);
    },
    decideCall: (request, call) => evaluateCallAsking(policies.current(), request, call),
  };
};

/** What receives the signals of transmitters. */
const createSignals = (
  { platform: { authority } }: AuthorityConfig,
  deps: ComponentDeps,
  { useOnce }: Pick<CallerIdentification, 'useOnce'>,
): AnswerSignal => {
  const { clock, cluster, metrics } = deps;
  const { trustDomain, signals } = authority;
  const verifySignal = createSignalVerifier({
    ...{ ...signals, fetchJwks: createUserJwksFetcher, now: clock.now },
    monotonic: clock.monotonic,
  });
  return createSignalHandler({
    ...{ ...buildSharedDeps(deps), useOnce, metrics, trustDomain, now: clock.now },
    verifySignal,
    createRevocation: cluster.revocations.create,
  });
};

/** Policy evaluates this many pairs in the time of a few calls. */
const PAIRS_PER_CALL = 16;

/** Decides by the current policies; a task of many pairs counts as several requests. */
const createRunDecision =
  ({
    policies,
    chargePairs,
    loadCatalog,
  }: {
    readonly policies: TaskPolicies<CompiledPolicies>;
    readonly chargePairs: RateLimits['chargePairs'];
    readonly loadCatalog: LoadCatalog;
  }): DecideRun =>
  (request, caller) => {
    const admit = (pairs: number): void => chargePairs(caller, pairs);
    return evaluateRunAsking({ policies: policies.current(), loadCatalog, admit }, request);
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
  return (event) => {
    const requestId = getRequestId();
    const caused = requestId === undefined ? event : { ...event, requestId };
    void deps.cluster.emitPodEvent(caused).catch(logFailure);
  };
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
