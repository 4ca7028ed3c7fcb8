import type { AuditEvent, Recorder } from '../audit/audit-event.ts';
import { computeDenialDigest } from '../approvals/approval-digest.ts';
import type { ApprovalNotice } from '../approvals/approval-notice.ts';
import { checkRequestLimits } from '../approvals/request-limits.ts';
import type {
  Approval,
  ApprovalRequest,
  ApprovalRequestSpec,
  ApprovalState,
} from '../contract/approvals.ts';
import type { UseOnceGuard } from '../identity/use-once.ts';
import type { ApprovalDemand } from '../policy/approval-demand.ts';
import type { AskedAct } from './asked-acts.ts';
import type { ObserveDecisions } from './decision-observation.ts';
import type { Emergencies } from './emergencies.ts';
import { RequestError } from './token-refusal.ts';

/** ApprovalRequests and Approvals as the API server stores them now. Every function rejects if it fails. */
export type ApprovalStore = {
  readonly readRequest: (place: RequestPlace) => Promise<ApprovalRequest | undefined>;
  readonly createRequest: (
    place: RequestPlace,
    spec: ApprovalRequestSpec,
  ) => Promise<'created' | 'exists'>;
  /** Deletes the object of this UID, if it still exists. */
  readonly removeRequest: (request: ApprovalRequest) => Promise<void>;
  readonly listRequests: (namespace: string) => Promise<readonly ApprovalRequest[]>;
  /** Those with the request's label; what cannot be parsed is no Approval. */
  readonly listApprovals: (place: RequestPlace) => Promise<readonly Approval[]>;
  /** For display only. */
  readonly setState: (request: ApprovalRequest, state: ApprovalState) => Promise<void>;
};

/** `repeated`: another attempt has used the approval; `separation`: only the agent's own user approved. */
export type ApprovalOutcome =
  | 'requested'
  | 'used'
  | 'emergency'
  | 'repeated'
  | 'denied'
  | 'expired'
  | 'policy_changed'
  | 'separation';

export type RequestPlace = { readonly namespace: string; readonly name: string };

/** A request that the API server may not list yet, although it counts against the limits. */
type BeingAsked = RequestPlace & { readonly podUid: string };

export type ApprovalDeps = {
  readonly store: ApprovalStore;
  readonly useOnce: Pick<UseOnceGuard, 'consume' | 'find'>;
  /** What this replica is asking people at present, in the order of time. Empty at first. */
  readonly beingAsked: Set<BeingAsked>;
  readonly lifetimeSeconds: number;
  /** Whether a user must have a known name at the API server. */
  readonly requireSeparation: boolean;
  /** For how long a call may stay open until people decide; 0: not at all. */
  readonly holdSeconds: number;
  /** What people did alone, and no one has reviewed yet. */
  readonly emergencies: Emergencies;
  readonly record: Recorder;
  /** Counts what became of requests. */
  readonly onApproval: (outcome: ApprovalOutcome) => void;
  readonly observeDecisions: ObserveDecisions;
  /** Called for each request that was created. Never throws. */
  readonly notifyPeople: (notice: ApprovalNotice) => void;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

/** A denied act that people could allow. */
export type Asked = {
  readonly act: AskedAct;
  readonly demand: ApprovalDemand;
  /** The same in every repetition of one request that got no answer. */
  readonly attempt: string;
  /** Called with the message of the refusal when people are asked for the first time. */
  readonly onAsked?: (message: string) => void;
};

/** A question to people, and the name of the request that asks it. */
export type Question = RequestPlace & { readonly digest: string } & Asked;

/** Seconds after which a sidecar asks again. */
const INTERVAL_SECONDS = 5;
/** Asks people. @throws RequestError: `approval_pending` if they are asked */
export const askPeople = async (question: Question, deps: ApprovalDeps): Promise<never> => {
  const { namespace, name, act } = question;
  const earlier = [...deps.beingAsked];
  const own = { namespace, name, podUid: act.requester.podUid };
  deps.beingAsked.add(own);
  try {
    return await createRequest(question, earlier, deps);
  } finally {
    deps.beingAsked.delete(own);
  }
};

/** @param earlier requests that calls which arrived before are creating: of many at once, each would see none */
const checkLimits = async (
  { namespace, name, act }: Question,
  earlier: readonly BeingAsked[],
  { store, lifetimeSeconds, now: readTime }: ApprovalDeps,
): Promise<void> => {
  const listed = await store.listRequests(namespace);
  const now = readTime();
  const known = new Set([name, ...listed.map((request) => request.name)]);
  const others = new Map(
    earlier.flatMap((each) =>
      each.namespace === namespace && !known.has(each.name) ? [[each.name, each.podUid]] : [],
    ),
  );
  const fault = checkRequestLimits(
    [
      ...listed.map(({ createdAt, state, since, spec }) => ({
        podUid: spec.requester.podUid,
        createdAt,
        expiresAt: Date.parse(spec.expiresAt),
        ...(state !== undefined && { state }),
        ...(since !== undefined && { since }),
      })),
      ...[...others.values()].map((podUid) => ({
        podUid,
        createdAt: now,
        expiresAt: now + lifetimeSeconds * 1000,
      })),
    ],
    { podUid: act.requester.podUid, now },
  );
  if (fault === undefined) return;
  throw new RequestError(fault.code, fault.message, { retryAfterMs: fault.retryAfterMs });
};

const createRequest = async (
  question: Question,
  earlier: readonly BeingAsked[],
  deps: ApprovalDeps,
): Promise<never> => {
  const { namespace, digest, act } = question;
  const now = deps.now();
  const denial = await deps.useOnce.find(computeDenialDigest(namespace, digest));
  if (denial !== undefined && denial.endsAt - DENIAL_RETENTION_MS > now) throw newDenied(question);
  await checkLimits(question, earlier, deps);
  const spec = buildRequestSpec(question, now + deps.lifetimeSeconds * 1000);
  await deps.record(buildEvent('approval.requested', { question, by: [] }, now));
  const created = await deps.store.createRequest(question, spec);
  const pending = newPending({ ...question, spec }, act, deps);
  if (created === 'created') {
    deps.onApproval('requested');
    question.onAsked?.(pending.message);
    const { kind, groups, requester, expiresAt } = spec;
    const { name } = question;
    deps.notifyPeople({ namespace, name, kind, groups, task: requester.task, expiresAt });
  }
  throw pending;
};

/** Leases outlive what they are about by this long (lib/identity/use-once.ts). */
const DENIAL_RETENTION_MS = 5 * 60_000;

const buildRequestSpec = (
  { act: { kind, requester, fields }, demand, digest }: Question,
  expiresAt: number,
): ApprovalRequestSpec => ({
  kind,
  digest,
  groups: demand.groups,
  policies: demand.policies,
  requester,
  request: fields,
  expiresAt: new Date(expiresAt).toISOString(),
});

export const formatPlace = ({ namespace, name }: RequestPlace): string =>
  `ApprovalRequest ${namespace}/${name}`;

export const newDenied = (
  place: RequestPlace,
  { by, reason }: { readonly by?: string; readonly reason?: string } = {},
): RequestError => {
  const who = by === undefined ? 'it was denied' : `${by} denied it`;
  const why = reason === undefined ? '' : `: ${reason}`;
  return new RequestError('approval_denied', `${formatPlace(place)}: ${who}${why}`);
};

export const newPending = (
  { namespace, name, spec }: Pick<ApprovalRequest, 'namespace' | 'name' | 'spec'>,
  { kind }: AskedAct,
  { holdSeconds, now }: Pick<ApprovalDeps, 'holdSeconds' | 'now'>,
): RequestError => {
  const groups = spec.groups.map((group) => group.name);
  const expires_in = Math.max(0, Math.floor((Date.parse(spec.expiresAt) - now()) / 1000));
  const message = `${groups.join(' and ')} must approve: kubectl valetkey approve -n ${namespace} ${name}`;
  const approval = {
    namespace,
    name,
    groups,
    expires_in,
    interval: INTERVAL_SECONDS,
    ...(kind === 'call' && holdSeconds > 0 && { hold: holdSeconds }),
  };
  return new RequestError('approval_pending', message, { approval });
};

export const buildEvent = (
  kind: Extract<AuditEvent['kind'], `approval.${string}` | 'emergency.used'>,
  {
    question,
    by,
  }: {
    readonly question: Question;
    readonly by: readonly string[];
  },
  at: number,
): AuditEvent => {
  const { act, demand, namespace, name, digest } = question;
  const { run, ...recorded } = act.recorded;
  const people = by.length === 0 ? '' : `, by ${by.join(', ')}`;
  return {
    kind,
    at,
    subject: `${namespace}/${name}`,
    ...recorded,
    ...((kind !== 'approval.requested' || act.kind === 'call') && { run }),
    message: `digest ${digest}, groups ${demand.groups.map((group) => group.name).join(', ')}${people}`,
  };
};
