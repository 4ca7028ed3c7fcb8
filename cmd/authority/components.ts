import { getRequestId } from '../../lib/async/request-context.ts';
import { createCatalogLoader, type LoadCatalog } from '../../lib/catalog/catalog.ts';
import { isCloudAddress } from '../../lib/edge/http/address-check.ts';
import { createEndpointSender } from '../../lib/edge/http/endpoint-client.ts';
import type { SendToEndpoint } from '../../lib/edge/http/https-client.ts';
import { createUserJwksFetcher } from '../../lib/edge/http/user-jwks.ts';
import {
  createCallerIdentification,
  type CallerIdentification,
} from '../../lib/exchange/caller-identification.ts';
import { createCanaries, type Canaries } from '../../lib/exchange/canaries.ts';
import { authenticateStream } from '../../lib/exchange/stream-authentication.ts';
import type { TokenEndpointDeps } from '../../lib/exchange/token-endpoint.ts';
import type { RunIds } from '../../lib/grant/run-ids.ts';
import { createSignalVerifier } from '../../lib/identity/signal-token.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { createInternalErrorReporter, toErrorFields } from '../../lib/server/error-fields.ts';
import { connectApprovals, connectEmergencies } from './approvals.ts';
import { startAuditExport, type AuditExport } from './audit-export.ts';
import { buildSharedDeps, createFailureReporter, type ComponentDeps } from './component-deps.ts';
import type { AuthorityConfig } from './config.ts';
import { startCountedRecords } from './counted-records.ts';
import { startCredentialSources, type CredentialSources } from './credential-components.ts';
import { createEventStreams, type EventStreams } from './event-streams.ts';
import type { Issuer } from './issuer.ts';
import type { RevocationWatch } from './revocation-watch.ts';
import type { AuthorityRouteDeps } from './routes.ts';
import { startRunComponents, startRunEnds } from './run-components.ts';
import {
  createOversight,
  createRunDecisions,
  createVerification,
  limitByBudget,
  startRateLimits,
  type Verification,
} from './decision-components.ts';
import { createRunSeals } from './run-seals.ts';
import { createSignalHandler, type AnswerSignal } from './signals.ts';
import { STREAM_SHARE } from './stream-registry.ts';
import type { TaskPolicies } from './task-policies.ts';
import type { TemplateWatch } from './template-watch.ts';
import { startWatches, type Watches } from './watches.ts';

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

/** The composition root: builds every component and connects them. */
export const createComponents = (config: AuthorityConfig, deps: ComponentDeps): Components => {
  const loadCatalog = createCatalogLoader();
  const reportInternalError = createInternalErrorReporter(deps.log);
  const { isAllowedAddress = isCloudAddress } = deps;
  const send = createEndpointSender({ isAllowedAddress });
  const watches = watchCluster(config, deps, send);
  const { templates, policies, revocations, upstreams, issuerLookup } = watches;
  const identification = identifyCallers(config, deps, { watches, loadCatalog });
  const emergencies = connectEmergencies(deps);
  const runs = startRunComponents(config, deps, { watches, identification, emergencies });
  const { issuer, runEnd, garbageCollector } = runs;
  const rateLimits = startRateLimits(config, deps);
  const verification = createVerification(deps, { identification, rateLimits });
  const limited = limitByBudget(verification, deps.budget);
  const seals = createRunSeals(deps.prerequisites.auditKeys.runs);
  const { belongsTo } = seals.runIds;
  const streams = startStreams(config, deps, { watches, verification, belongsTo });
  const sources = startCredentialSources(config, deps, { watches, issuer, send });
  const { databaseRoles, releases } = sources;
  const canaries = connectCanaries(config, deps);
  const runEnds = startRunEnds(config, deps, { watches, runEnd, databaseRoles });
  deps.metrics.measureCapacity('audit_queue', deps.prerequisites.audit.queue);
  const decisions = { policies, loadCatalog, canaries };
  const exchange: TokenEndpointDeps = {
    ...connectExchange(config, deps, { verification: limited, identification, watches, sources }),
    ...createRunDecisions(deps, decisions, rateLimits.chargePairs),
    newRun: seals.runIds.newRun,
    sealTicket: seals.tickets.seal,
    readHandle: seals.handles.open,
    approvals: connectApprovals(config, deps, { identification, emergencies, send }),
    record: runEnds.recordRun,
    reportInternalError,
  };
  const readTicket = seals.tickets.open;
  const callRecords = { ...limited, record: runEnds.record, belongsTo, readTicket };
  const counted = startCountedRecords({
    ...buildSharedDeps(deps),
    takeCounted: () => [...canaries.takeUnrecorded(), ...deps.budget.takeCounted()],
  });
  const running = [streams, garbageCollector, runEnd, runEnds, databaseRoles, issuer, counted];
  const auditExports = startExports(config, deps, issuer);
  const watching = [revocations, policies, upstreams, issuerLookup, templates];
  return {
    keys: issuer.keys,
    hasClusterIssuer: () => issuerLookup.getIssuer() !== undefined,
    templates,
    policies,
    revocations,
    streams,
    routes: {
      exchange,
      callRecords,
      runEnd: {
        ...callRecords,
        record: runEnds.recordRun,
        reportRunEnd: runEnds.reportRunEnd,
        readRelease: releases.readRelease,
      },
      oversight: createOversight(config, deps, { ...decisions, exchange, seals }),
      streams,
      rateLimits,
      jwks: issuer.publicJwks,
      answerSignal: createSignals(config, deps, identification),
      reportInternalError,
    },
    recordCounted: counted.recordCounted,
    finishReleases: releases.finish,
    stop: () => {
      for (const component of [...running, ...auditExports, ...watching]) component.stop();
    },
  };
};

const watchCluster = (
  config: AuthorityConfig,
  deps: ComponentDeps,
  send: SendToEndpoint,
): Watches =>
  startWatches(config, {
    ...buildSharedDeps(deps),
    cluster: deps.cluster,
    metrics: deps.metrics,
    syncs: deps.syncs,
    log: deps.log,
    revocationMemory: deps.prerequisites.revocationMemory,
    send,
  });

/** What an exchange takes of the platform's settings and of components other than the decision. */
const connectExchange = (
  { platform: { authority, cloud, policy } }: AuthorityConfig,
  deps: ComponentDeps,
  {
    verification,
    identification,
    watches,
    sources,
  }: {
    readonly verification: Verification;
    readonly identification: CallerIdentification;
    readonly watches: Watches;
    readonly sources: CredentialSources;
  },
) => ({
  ...verification,
  verifyUserToken: identification.verifyUserToken,
  useOnce: identification.useOnce,
  findRevocation: watches.revocations.find,
  findUpstream: watches.upstreams.find,
  delegableRoles: authority.delegableRoles,
  sourceRestriction: cloud.sourceRestriction.mode,
  dialect: cloud.dialect,
  vend: policy.vend,
  issueCredentials: sources.issueCredentials,
  discardIssued: sources.releases.discardIssued,
  emitPodEvent: createPodEventReporter(deps),
});

const connectCanaries = (
  { platform: { authority } }: AuthorityConfig,
  deps: ComponentDeps,
): Canaries =>
  createCanaries({
    ...buildSharedDeps(deps),
    patterns: authority.canaries,
    createRevocation: deps.cluster.revocations.create,
    onTouched: deps.metrics.canaryTouched,
    now: deps.clock.now,
  });

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
    exports,
    replica: podName,
    prefix,
    upload,
    random,
    onOutcome: metrics.auditFileExported,
    onFailure: (error) => {
      metrics.reconcileFailed('audit-export');
      log.warn('audit file not exported', toErrorFields(error));
    },
  });
  return [started];
};

const startStreams = (
  { connections }: AuthorityConfig,
  { prerequisites, metrics, clock }: ComponentDeps,
  {
    watches: { revocations, policies },
    verification,
    belongsTo,
  }: {
    readonly watches: Watches;
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

/** What receives the signals of transmitters. */
const createSignals = (
  { platform: { authority } }: AuthorityConfig,
  deps: ComponentDeps,
  { useOnce }: Pick<CallerIdentification, 'useOnce'>,
): AnswerSignal => {
  const { clock, cluster, metrics } = deps;
  const { trustDomain, signals } = authority;
  const verifySignal = createSignalVerifier({
    ...signals,
    fetchJwks: createUserJwksFetcher,
    now: clock.now,
    monotonic: clock.monotonic,
  });
  return createSignalHandler({
    ...buildSharedDeps(deps),
    useOnce,
    metrics,
    trustDomain,
    now: clock.now,
    verifySignal,
    createRevocation: cluster.revocations.create,
  });
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
