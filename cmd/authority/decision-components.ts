import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { AuditBudget } from '../../lib/exchange/audit-budget.ts';
import type { CallerIdentification } from '../../lib/exchange/caller-identification.ts';
import type { Canaries } from '../../lib/exchange/canaries.ts';
import {
  createCallRateLimit,
  createRateLimits,
  type RateLimits,
} from '../../lib/exchange/rate-limits.ts';
import { limitRefusalRecords } from '../../lib/exchange/refusal-record-limit.ts';
import type { DecideRun } from '../../lib/exchange/request-authorization.ts';
import type { TokenEndpointDeps } from '../../lib/exchange/token-endpoint.ts';
import { RequestError } from '../../lib/exchange/token-refusal.ts';
import { evaluateCallAsking, evaluateRunAsking } from '../../lib/policy/approval-demand.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { computeGates } from '../../lib/policy/gates.ts';
import { normalizeScope } from '../../lib/task/revalidation.ts';
import type { ComponentDeps } from './component-deps.ts';
import type { AuthorityConfig } from './config.ts';
import type { OversightRouteDeps } from './oversight-routes.ts';
import type { RunSeals } from './run-seals.ts';
import type { TaskPolicies } from './task-policies.ts';

/** The checks that token exchanges, event streams and ends of runs share. */
export type Verification = ReturnType<typeof createVerification>;

export const createVerification = (
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
export const limitByBudget = (
  verification: Verification,
  { checkBudget }: AuditBudget,
): Verification => ({
  ...verification,
  checkRateLimits: (caller) => {
    verification.checkRateLimits(caller);
    checkBudget(caller);
  },
});

export const startRateLimits = (
  config: AuthorityConfig,
  { clock, metrics }: ComponentDeps,
): RateLimits => {
  const rates = {
    peer: config.peerRate,
    pod: config.podRate,
    serviceAccount: config.serviceAccountRate,
    namespace: config.namespaceRate,
    verifications: config.verifications,
  };
  const rateLimits = createRateLimits(rates, clock);
  metrics.measureCapacity('token_verifications', rateLimits.verifications);
  return rateLimits;
};

/** What the decisions about all runs are made of. */
type DecisionDeps = {
  readonly policies: TaskPolicies<CompiledPolicies>;
  readonly loadCatalog: LoadCatalog;
  readonly canaries: Canaries;
};

/** What decides about a run that starts. */
export type RunDecisions = Pick<TokenEndpointDeps, 'decideRun' | 'computeGates' | 'canaries'>;

export const createRunDecisions = (
  { tracing }: ComponentDeps,
  { policies, loadCatalog, canaries }: DecisionDeps,
  chargePairs: RateLimits['chargePairs'],
): RunDecisions => ({
  decideRun: tracing.wrap(
    'exchange.decide',
    createRunDecision({ policies, loadCatalog, chargePairs }),
  ),
  computeGates: async (request) => [
    ...(await computeGates({ policies: policies.current(), loadCatalog }, request)),
    ...canaries.listGates(request.task),
  ],
  canaries,
});

/** What decides about runs that exist, by their tickets. */
export const createOversight = (
  { platform, callRate, podAddresses }: AuthorityConfig,
  { clock, cluster }: ComponentDeps,
  {
    policies,
    loadCatalog,
    exchange,
    seals,
  }: Pick<DecisionDeps, 'policies' | 'loadCatalog'> & {
    readonly exchange: TokenEndpointDeps;
    readonly seals: RunSeals;
  },
): OversightRouteDeps => {
  const checkCallRate = createCallRateLimit(callRate, clock);
  const decideRun = createRunDecision({
    policies,
    loadCatalog,
    chargePairs: (caller, pairs) => checkCallRate(caller, Math.floor(pairs / PAIRS_PER_CALL)),
  });
  return {
    ...exchange,
    checkCallRate,
    readTicket: seals.tickets.open,
    sealHandle: seals.handles.seal,
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
