import {
  DELEGATION_SECONDS,
  JWT_TYPE,
  type DelegationDetails,
  type DelegationResponse,
} from '../contract/authority-api.ts';
import type { DelegatingRun, DelegationSeals } from '../grant/delegations.ts';
import type { TicketClaims } from '../grant/tickets.ts';
import { object, read, rejectValue, type Reader } from '../schema/reader.ts';
import { createBoundAllowReader } from '../task/admitted-tasks.ts';
import { delegationDetails } from '../task/delegation-details.ts';
import { bindStatements } from '../task/resource.ts';
import { findUncoveredPair } from '../task/subset.ts';
import type { Call, Caller, IdentifyWorkload } from './caller.ts';
import { checkDepth, computeLifetime, type DelegationRuleDeps } from './delegated-run.ts';
import { buildRunMembers, type RecordDeps } from './exchange-records.ts';
import { readForm, redactedEnum, token } from './form-reader.ts';
import type { PolicyDeps } from './request-authorization.ts';
import { TICKET_MARGIN_MS } from './run-oversight.ts';
import type { RunReportContext } from './run-report.ts';
import {
  ticket,
  toTicketPolicyRequest,
  verifyTicket,
  type TicketCheckDeps,
  type TicketedRun,
} from './ticket-check.ts';
import { newMalformedError, RequestError } from './token-refusal.ts';

export type DelegationDeps = Omit<TicketCheckDeps, 'checkCallRate'> &
  PolicyDeps &
  RecordDeps &
  DelegationRuleDeps & {
    readonly checkRateLimits: (caller: Caller) => void;
    readonly identifyWorkload: IdentifyWorkload;
    readonly sealHandle: DelegationSeals['seal'];
  };

const MAX_DETAILS_LENGTH = 16 * 1024;

const detailsJson: Reader<DelegationDetails> = (given, path, faults) => {
  if (typeof given === 'string' && given.length <= MAX_DETAILS_LENGTH) {
    try {
      return delegationDetails(JSON.parse(given), path, faults);
    } catch {
      // Not JSON: rejected below.
    }
  }
  const expected = `JSON of at most ${MAX_DETAILS_LENGTH} characters`;
  return rejectValue(faults, { path, expected, value: undefined });
};

const FIELDS = {
  subject_token: token,
  subject_token_type: { optional: redactedEnum([JWT_TYPE]) },
  ticket,
  delegation: detailsJson,
} as const;

const fields = object(FIELDS);

/**
 * Mints a handle with which another workload may start one run, with a part of what the run has. What is known of
 * that run is checked now, and everything again when the handle is used.
 *
 * @param context filled in step by step
 * @throws RequestError `delegation_outside`, `_too_deep`, `_expired`, `_too_large`, `policy_denied`, and what
 *   `verifyTicket` throws; IdentityError, AuditError
 */
export const mintDelegation = async (
  { form, peer }: Call,
  context: RunReportContext,
  deps: DelegationDeps,
): Promise<DelegationResponse> => {
  const request = readForm(form, { names: Object.keys(FIELDS), reader: fields });
  if (!request.ok) throw newMalformedError('request_malformed', request.faults);
  const { subject_token: podToken, ticket: sealed, delegation: given } = request.value;
  const { caller, claims, verified } = await verifyTicket(
    { podToken, ticket: sealed, peer },
    context,
    { ...deps, checkCallRate: deps.checkRateLimits },
  );
  await deps.identifyWorkload(verified);
  const parent = toDelegatingRun(claims);
  const allow = readScope(given.allow, claims);
  checkScope(allow, parent);
  checkDepth(parent.chain);
  const now = deps.now();
  computeLifetime([given.lifetime ?? Infinity], { parent, now });
  await checkPolicy({ claims, caller }, context, deps);
  const expiresAt = now + DELEGATION_SECONDS * 1000;
  const { task, audience, params = {}, lifetime } = given;
  const handle = deps.sealHandle({
    parent,
    task,
    audience,
    params,
    expiresAt,
    ...(allow !== undefined && { allow }),
    ...(lifetime !== undefined && { lifetimeSeconds: lifetime }),
  });
  if (handle === undefined) {
    const message = 'expected a run and a scope with fewer or shorter actions and resources';
    throw new RequestError('delegation_too_large', message);
  }
  await deps.record({
    kind: 'delegation.minted',
    at: now,
    run: claims.run,
    ...buildRunMembers(caller, claims),
    message: `task ${task} for ${audience.namespace}/${audience.serviceAccount}`,
  });
  return { handle, expires_at_ms: expiresAt };
};

const readScope = (
  given: DelegationDetails['allow'],
  { task }: TicketClaims,
): DelegationDetails['allow'] => {
  if (given === undefined) return undefined;
  const scope = read(createBoundAllowReader(task.provider), given, 'delegation.allow');
  if (!scope.ok) throw newMalformedError('delegation_malformed', scope.faults);
  return scope.value;
};

/** A ticket is valid for longer than its run: the cloud answers after it is sealed. */
const toDelegatingRun = (claims: TicketClaims): DelegatingRun => {
  const { run, namespace, serviceAccount, pod, podUid, task, params, user, chain } = claims;
  return {
    run,
    namespace,
    serviceAccount,
    pod,
    podUid,
    task: task.name,
    chain,
    provider: task.provider,
    role: task.role,
    delivery: task.delivery,
    deadline: claims.deadline - TICKET_MARGIN_MS,
    allow: claims.allow ?? bindStatements(task.allow, params),
    ...(user !== undefined && { user }),
  };
};

const checkScope = (allow: DelegationDetails['allow'], parent: DelegatingRun): void => {
  const outside = allow && findUncoveredPair(allow, parent.allow);
  if (outside === undefined) return;
  const { action, resource } = outside;
  throw new RequestError('delegation_outside', `${action} on ${resource} is outside the run`);
};

/** A run that policy no longer allows delegates nothing. */
const checkPolicy = async (
  { claims, caller }: Pick<TicketedRun, 'claims' | 'caller'>,
  context: RunReportContext,
  deps: DelegationDeps,
): Promise<void> => {
  const { decision } = await deps.decideRun(toTicketPolicyRequest(claims, deps), caller);
  context.decision = decision;
  if (decision.outcome === 'allow') return;
  const { reasons, policies } = decision;
  const message = reasons.length > 0 ? reasons.join('\n') : 'no policy permits it';
  throw new RequestError('policy_denied', message, { policies });
};
