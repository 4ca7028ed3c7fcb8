import type { Gate, RunDecision } from '../contract/authority-api.ts';
import { boundList } from '../audit/bounded-text.ts';
import type { Task } from '../contract/task.ts';
import type { TicketClaims } from '../grant/tickets.ts';
import { toNamedUser } from '../identity/workload.ts';
import { computeDeadline, type AuthorizedRun } from './authorized-run.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { toPolicyRequest, toPolicySubject, type PolicyDeps } from './request-authorization.ts';
import { RequestError } from './token-refusal.ts';

export type OversightDeps = {
  /** @returns undefined if the ticket would be too large */
  readonly sealTicket: (claims: TicketClaims) => string | undefined;
};

/**
 * Plans how the calls of a run are decided: its gates, and the ticket with which its sidecar asks. A run
 * without gates needs no ticket; with one, changed policies reach it before its deadline.
 *
 * @throws RequestError `call_needs_sign`, `sidecar_too_old`, `ticket_too_large`
 */
export const planOversight = async (
  run: AuthorizedRun,
  { capabilities, context }: { capabilities: readonly string[]; context: ExchangeContext },
  deps: PolicyDeps & OversightDeps,
): Promise<NonNullable<ExchangeContext['oversight']>> => {
  const gates = await deps.computeGates(toPolicyRequest(toPolicySubject(run), deps));
  checkEnforceable(gates, run.task);
  const needed = gates.map(({ gate }) => (gate === 'canary' ? 'canaries' : 'gates'));
  if (needed.some((each) => !capabilities.includes(each))) {
    throw new RequestError(
      'sidecar_too_old',
      `expected a sidecar that enforces ${describe(gates)}`,
    );
  }
  const decision: RunDecision = { gates, policy_version: context.decision?.version ?? '' };
  const { approvals = [], decision: decided } = context;
  const policies = boundPolicies(decided?.policies ?? []);
  const claims = toTicketClaims(run, { decision, policies, approvals, now: deps.now() });
  const ticket = deps.sealTicket(claims);
  if (ticket === undefined && gates.length > 0) {
    throw new RequestError('ticket_too_large', `needed for ${describe(gates)}`);
  }
  const sealIssued = (expiresAt: number) => deps.sealTicket({ ...claims, expiresAt }) ?? ticket;
  return { ...decision, ticket, sealIssued };
};

/** @throws RequestError `call_needs_sign` */
export const checkEnforceable = (gates: readonly Gate[], { delivery }: Pick<Task, 'delivery'>) => {
  if (gates.length === 0 || delivery === 'sign') return;
  throw new RequestError('call_needs_sign', `expected delivery: sign for ${describe(gates)}`, {
    policies: listPolicies(gates),
  });
};

const listPolicies = (gates: readonly Gate[]): readonly string[] =>
  [...new Set(gates.flatMap(({ policies }) => policies))].sort();

const describe = (gates: readonly Gate[]): string => {
  const policies = listPolicies(gates);
  return policies.length === 0
    ? 'policies about calls'
    : `policies about calls: ${policies.join(', ')}`;
};

/** The run may end a little earlier than its ticket, whose deadline is set before the cloud answers. */
const toTicketClaims = (
  { run, workload, consumer, task, params, user, delegation }: AuthorizedRun,
  {
    decision,
    policies,
    approvals,
    now,
  }: {
    readonly decision: RunDecision;
    readonly policies: readonly string[];
    readonly approvals: readonly string[];
    readonly now: number;
  },
): TicketClaims => {
  const { namespace, namespaceLabels, serviceAccount, pod } = workload;
  const admitted = delegation?.admitted ?? task;
  const expiresAt = computeDeadline({ task, ...(delegation && { delegation }) }, now);
  return {
    run,
    deadline: expiresAt + TICKET_MARGIN_MS,
    expiresAt,
    podIps: pod.ips,
    policyVersion: decision.policy_version,
    policies,
    namespace,
    namespaceLabels,
    serviceAccount,
    consumer,
    task: admitted,
    params,
    ...(delegation !== undefined && { allow: task.allow }),
    pod: pod.name,
    podUid: pod.uid,
    ...(user !== undefined && { user: toNamedUser(user) }),
    chain: delegation?.chain ?? [],
    approvals,
  };
};

/** Of policies in a ticket. `run.issued` has more of them; records about calls have long lists of their own. */
const MAX_POLICIES = 6;
const MAX_POLICY_BYTES = 400;

const boundPolicies = (ids: readonly string[]): readonly string[] => {
  const named = boundList(ids.slice(0, MAX_POLICIES), MAX_POLICY_BYTES);
  return ids.length <= MAX_POLICIES ? named : [...named, `${ids.length - MAX_POLICIES} more`];
};

/** The exchange with the cloud may take this long after the ticket is sealed. */
export const TICKET_MARGIN_MS = 60_000;
