import { createHash } from 'node:crypto';

import type { AuditEvent, Recorder } from '../audit/audit-event.ts';
import type { ChainLink } from '../contract/approvals.ts';
import type { Gate, GatedCall, RevocationSpec } from '../contract/authority-api.ts';
import type { Task } from '../contract/task.ts';
import type { TicketClaims } from '../grant/tickets.ts';
import { newUnavailableError } from '../identity/identity-refusals.ts';
import { matchesPattern } from '../schema/wildcard-patterns.ts';
import type { Caller } from './caller.ts';
import { buildAuditActor, buildRunMembers } from './exchange-records.ts';
import { newRevokedError, type RevocationDeps } from './request-authorization.ts';
import { RequestError } from './token-refusal.ts';

/** What no agent has a reason to use: one that does was misled or taken over. */
export type Canaries = {
  /** The gate by which the gateway reports a use of a canary resource; none if no gateway sees the calls. */
  readonly listGates: (task: Pick<Task, 'delivery'>) => readonly Gate[];
  /** The first permission that is on a canary resource. */
  readonly findTouched: (permissions: GatedCall['permissions']) => Touched | undefined;
  /**
   * Revokes a pod that used a canary, and records it.
   *
   * @throws AuditError: the record is left to `takeUnrecorded`; IdentityError `kubernetes_unavailable`: the sidecar
   *   repeats its request
   */
  readonly touch: (touch: CanaryTouch) => Promise<void>;
  /** Takes what could not be recorded: a repeated request of a revoked pod comes no further. */
  readonly takeUnrecorded: () => readonly AuditEvent[];
};

type Touched = GatedCall['permissions'][number];

/** A use of a canary: a start of a task, or a call of a run. */
export type CanaryTouch = {
  readonly caller: Caller;
  readonly task: string;
  readonly consumer: string;
  readonly run?: string;
  /** Of the run. */
  readonly claims?: TicketClaims;
  /** The runs above a delegated one, from the first: the caller of a shared worker chose its task. */
  readonly chain?: readonly ChainLink[];
  /** Absent: the task itself is the canary. */
  readonly permission?: Touched;
};

export type CanaryDeps = {
  /** `authority.canaries` of the platform. */
  readonly patterns: readonly string[];
  /** @throws AuditError */
  readonly record: Recorder;
  /** Rejects if the API server fails. */
  readonly createRevocation: (name: string, spec: RevocationSpec) => Promise<'created' | 'exists'>;
  /** The authority's own name at the API server. */
  readonly by: string;
  /** Wall-clock milliseconds since the epoch. */
  readonly now: () => number;
  readonly onTouched: (kind: 'task' | 'resource') => void;
};

/** The agent of a revoked pod reads name and reason of the Revocation: only the record says what happened. */
const REASON = 'revoked by the platform';

/** Of touches that wait for a record. Above it, the oldest is given up. */
const MAX_UNRECORDED = 1_000;

/** Creates what knows the canaries of the platform. */
export const createCanaries = (deps: CanaryDeps): Canaries => {
  const { patterns, record, createRevocation, by, now, onTouched } = deps;
  const gate: Gate = { gate: 'canary', actions: ['*'], like: patterns, policies: [] };
  const isCanary = ({ resource }: Touched): boolean =>
    resource !== undefined && patterns.some((pattern) => matchesPattern(pattern, resource));
  let unrecorded: readonly AuditEvent[] = [];
  return {
    listGates: ({ delivery }) => (patterns.length === 0 || delivery !== 'sign' ? [] : [gate]),
    findTouched: (permissions) => permissions.find(isCanary),
    touch: async (touch) => {
      const { namespace, pod } = touch.caller;
      onTouched(touch.permission === undefined ? 'task' : 'resource');
      const spec = { pod: { namespace, name: pod.name, uid: pod.uid }, reason: REASON, by };
      // Records may fail for long: what stops the pod does not wait for them.
      const [revoked] = await Promise.allSettled([createRevocation(formatName(pod.uid), spec)]);
      const event = buildEvent(touch, now());
      try {
        await record(event);
      } catch (error) {
        unrecorded = [...unrecorded, event].slice(-MAX_UNRECORDED);
        throw error;
      }
      if (revoked.status === 'fulfilled') return;
      const message = 'the API server did not accept a Revocation';
      throw newUnavailableError('kubernetes_unavailable', message, { cause: revoked.reason });
    },
    takeUnrecorded: () => {
      const taken = unrecorded;
      unrecorded = [];
      return taken;
    },
  };
};

const buildEvent = (
  { caller, task, consumer, run, claims, chain, permission }: CanaryTouch,
  at: number,
): AuditEvent => ({
  kind: 'canary.touched',
  at,
  actor: buildAuditActor(caller, consumer),
  ...(claims !== undefined && buildRunMembers(caller, claims)),
  subject: formatName(caller.pod.uid),
  task,
  reason: 'canary_touched',
  message:
    permission === undefined
      ? `canary task ${task} was started`
      : `${permission.action} on canary ${permission.resource ?? ''}`,
  ...(run !== undefined && { run }),
  ...(chain !== undefined && { chain }),
});

/** One Revocation for each pod, however often it touches canaries. */
const formatName = (podUid: string): string =>
  `platform-${createHash('sha256').update(podUid).digest('hex').slice(0, 20)}`;

export type CanaryTaskDeps = RevocationDeps & { readonly canaries: Pick<Canaries, 'touch'> };

/**
 * Refuses a start of a canary task as policy, or a Revocation, would refuse any other. A pod that is revoked by its
 * name has touched it before, or is stopped by people: it cannot fill the records.
 *
 * @param readChain the runs above the one that is asked for; called for a canary only
 * @throws RequestError `policy_denied`, `revoked`, and what `touch` throws
 */
export const refuseCanaryTask = async (
  { name, canary }: Pick<Task, 'name' | 'canary'>,
  { caller, consumer, readChain }: StartedCanary,
  deps: CanaryTaskDeps,
): Promise<void> => {
  if (canary !== true) return;
  const revocation = findPresentRevocation({ caller, task: name }, deps);
  if (revocation?.spec.pod === undefined) {
    const chain = readChain();
    await deps.canaries.touch({ caller, task: name, consumer, chain });
  }
  if (revocation !== undefined) throw newRevokedError(revocation);
  throw new RequestError('policy_denied', 'no policy permits it', { policies: [] });
};

type StartedCanary = Pick<CanaryTouch, 'caller' | 'consumer'> & {
  readonly readChain: () => readonly ChainLink[];
};

/** A touch counts also while it is not known which pods are revoked. */
const findPresentRevocation = (
  { caller, task }: Pick<CanaryTouch, 'caller' | 'task'>,
  { findRevocation }: RevocationDeps,
): ReturnType<RevocationDeps['findRevocation']> => {
  const { namespace, serviceAccount, pod } = caller;
  try {
    return findRevocation({ namespace, serviceAccount, pod: pod.name, podUid: pod.uid, task });
  } catch (error) {
    if (error instanceof RequestError) return undefined;
    throw error;
  }
};
