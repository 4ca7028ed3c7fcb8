import { createHash } from 'node:crypto';

import type { ChainLink } from '../contract/approvals.ts';
import { DELEGATION_SECONDS, MAX_CHAIN, type TaskDetails } from '../contract/authority-api.ts';
import type { Task, TaskStatement } from '../contract/task.ts';
import type { DelegatingRun, Delegation, DelegationSeals } from '../grant/delegations.ts';
import type { UseOnceGuard } from '../identity/use-once.ts';
import type { Workload } from '../identity/workload.ts';
import type { PolicyDecision } from '../policy/decision.ts';
import { MIN_DELEGATED_SECONDS } from '../task/delegation-details.ts';
import { bindResource, bindStatements } from '../task/resource.ts';
import { findUncoveredPair, type ScopePair } from '../task/subset.ts';
import type { AuthorizedRun } from './authorized-run.ts';
import { buildAuditActor, toRecordedDecision, type RecordDeps } from './exchange-records.ts';
import { refuseRevoked, type RevocationDeps } from './request-authorization.ts';
import { RequestError } from './token-refusal.ts';

/** What both the mint of a handle and its use are checked with. */
export type DelegationRuleDeps = {
  /** Roles and Upstreams that runs of other roles may delegate to. */
  readonly delegableRoles: readonly string[];
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

export type DelegatedRunDeps = RevocationDeps &
  DelegationRuleDeps & {
    readonly readHandle: DelegationSeals['open'];
    readonly useOnce: Pick<UseOnceGuard, 'consume'>;
  };

/**
 * Opens the handle of a delegation for the pod that presents it.
 *
 * @param handle undefined: the run is not delegated
 * @throws RequestError `delegation_invalid`, `_expired`, `_foreign`, `revoked`
 */
export const readDelegation = (
  handle: string | undefined,
  { details, workload }: { readonly details: TaskDetails; readonly workload: Workload },
  deps: DelegatedRunDeps,
): Delegation | undefined => {
  if (handle === undefined) return undefined;
  const delegation = deps.readHandle(handle);
  if (delegation === undefined) {
    const expected = 'a handle that this authority sealed, got something else (not shown)';
    throw new RequestError('delegation_invalid', `subject_token: expected ${expected}`);
  }
  const { audience, task, expiresAt, parent } = delegation;
  const { namespace, serviceAccount } = workload;
  if (audience.namespace !== namespace || audience.serviceAccount !== serviceAccount) {
    const got = `${namespace}/${serviceAccount}`;
    throw new RequestError('delegation_foreign', `expected another service account than ${got}`);
  }
  if (task !== details.task) {
    throw new RequestError('delegation_foreign', `expected task ${task}, got ${details.task}`);
  }
  if (expiresAt <= deps.now()) {
    throw new RequestError('delegation_expired', 'expected a handle that has not expired');
  }
  const { run, pod, podUid, chain } = parent;
  const target = { run, pod, podUid, namespace: parent.namespace, task: parent.task };
  refuseRevoked({ ...target, serviceAccount: parent.serviceAccount, ancestors: chain }, deps);
  return delegation;
};

/**
 * Narrows a run to what was delegated to it. What it may do is within the run above it and within what its own
 * pod declares; it ends no later.
 *
 * @param delegation undefined: the run is not delegated
 * @throws RequestError `delegation_required`, `_refused`, `_foreign`, `_outside`, `_too_deep`, `_expired`
 */
export const narrowRun = (
  run: AuthorizedRun,
  delegation: Delegation | undefined,
  deps: DelegationRuleDeps,
): AuthorizedRun => {
  const { task, params } = run;
  if (delegation === undefined) {
    if (task.delegated !== 'required') return run;
    const message = `task ${task.name}: expected a delegation, as its pod declares`;
    throw new RequestError('delegation_required', message);
  }
  const { parent } = delegation;
  checkTask(task, parent, deps);
  checkParams(run, delegation);
  checkDepth(parent.chain);
  const allow = narrowScope(run, delegation);
  const chain = buildChain(parent);
  const { lifetimeSeconds: limit } = delegation;
  const lifetimeSeconds = computeLifetime([task.lifetimeSeconds, limit ?? Infinity], {
    parent,
    now: deps.now(),
  });
  return {
    ...run,
    params,
    task: { ...task, allow, lifetimeSeconds },
    delegation: {
      chain,
      admitted: task,
      notAfter: parent.deadline,
      ...(limit !== undefined && { lifetimeSeconds: limit }),
    },
  };
};

/** The runs above a delegated one, from the first to the one that delegates. */
export const buildChain = ({
  chain,
  run,
  namespace,
  serviceAccount,
  task,
}: DelegatingRun): readonly ChainLink[] => [...chain, { run, namespace, serviceAccount, task }];

const checkTask = (
  { name, delegated, provider, role, delivery }: Task,
  parent: Pick<DelegatingRun, 'provider' | 'role' | 'delivery'>,
  { delegableRoles }: DelegationRuleDeps,
): void => {
  if (delegated === undefined) {
    const message = `task ${name}: expected delegated: allowed or required, as its pod does not declare`;
    throw new RequestError('delegation_refused', message);
  }
  const isSameRole = provider === parent.provider && role === parent.role;
  if (!isSameRole && !delegableRoles.includes(role)) {
    const message = `task ${name}: expected the role of the run that delegates, or one of authority.delegableRoles, got ${role}`;
    throw new RequestError('delegation_refused', message);
  }
  if (parent.delivery === 'sign' && delivery !== 'sign') {
    const message = `task ${name}: expected delivery: sign, as the run that delegates has`;
    throw new RequestError('delegation_refused', message);
  }
};

const checkParams = ({ params }: AuthorizedRun, delegation: Delegation): void => {
  const broken = Object.entries(delegation.params).find(([name, value]) => params[name] !== value);
  if (broken === undefined) return;
  const message = `param ${broken[0]}: expected the value that was delegated (not shown)`;
  throw new RequestError('delegation_foreign', message);
};

/** @throws RequestError `delegation_too_deep` */
export const checkDepth = (chain: DelegatingRun['chain']): void => {
  if (chain.length < MAX_CHAIN) return;
  const message = `expected a run with fewer than ${MAX_CHAIN} runs above it, which delegates`;
  throw new RequestError('delegation_too_deep', message);
};

const narrowScope = (
  { task, params }: AuthorizedRun,
  { parent, allow }: Delegation,
): readonly TaskStatement[] => {
  const declared = bindStatements(task.allow, params);
  const narrowed = allow ?? declared;
  const scopes = [
    [parent.allow, 'the run that delegates'],
    [declared, `task ${task.name} as its pod declares it`],
  ] as const;
  for (const [wide, name] of scopes) {
    const outside = findUncoveredPair(narrowed, wide);
    if (outside === undefined) continue;
    const shown = formatPair(outside, { task, params });
    throw new RequestError('delegation_outside', `${shown} is outside ${name}`);
  }
  return narrowed;
};

/** As declared: values of params are not shown. */
const formatPair = (
  { action, resource }: ScopePair,
  { task, params }: Pick<AuthorizedRun, 'task' | 'params'>,
): string => {
  const declared = task.allow
    .flatMap(({ resources }) => resources)
    .find((each) => bindResource(each, params) === resource);
  return `${action} on ${declared ?? 'a resource of the delegation'}`;
};

/** @throws RequestError `delegation_expired` */
export const computeLifetime = (
  limits: readonly number[],
  { parent, now }: { readonly parent: Pick<DelegatingRun, 'deadline'>; readonly now: number },
): number => {
  const seconds = Math.min(...limits, Math.floor((parent.deadline - now) / 1000));
  if (seconds >= MIN_DELEGATED_SECONDS) return seconds;
  const expected = `a run that lasts for at least ${MIN_DELEGATED_SECONDS} s more`;
  throw new RequestError('delegation_expired', `expected ${expected}, which delegates`);
};

/**
 * Uses a handle up, once nothing but the cloud can refuse the run. The same request may repeat it, because an
 * answer may be lost.
 *
 * @param used.handle undefined: the run is not delegated
 * @param used.holder the same in every repetition of one request
 * @throws RequestError `delegation_used`, `delegations_unavailable`; AuditError
 */
export const useDelegation = async (
  run: AuthorizedRun,
  {
    handle,
    holder,
    decision,
  }: {
    readonly handle: string | undefined;
    readonly holder: string;
    readonly decision: PolicyDecision | undefined;
  },
  { useOnce, record, now }: Pick<DelegatedRunDeps, 'useOnce' | 'now'> & RecordDeps,
): Promise<void> => {
  if (handle === undefined) return;
  const digest = createHash('sha256').update(handle).digest('hex');
  const expiresAt = now() + DELEGATION_SECONDS * 1000;
  const outcome = await useOnce
    .consume({ kind: 'delegation', digest, expiresAt, holder })
    .catch((cause: unknown) => {
      const message = 'the API server could not confirm that the handle is unused';
      throw new RequestError('delegations_unavailable', message, { cause });
    });
  if (outcome === 'used') {
    throw new RequestError('delegation_used', 'expected a handle that was not used before');
  }
  const { workload, consumer, user, task, delegation } = run;
  await record({
    kind: 'delegation.used',
    at: now(),
    run: run.run,
    task: task.name,
    actor: buildAuditActor(workload, consumer, user),
    ...(delegation !== undefined && { chain: delegation.chain }),
    ...(decision !== undefined && { decision: toRecordedDecision(decision) }),
  });
};
