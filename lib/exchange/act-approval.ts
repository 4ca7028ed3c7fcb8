import type { AuditEvent, Recorder } from '../audit/audit-event.ts';
import { AuditError } from '../audit/audit-event.ts';
import {
  buildRequestName,
  computeDenialDigest,
  computeUseDigest,
} from '../approvals/approval-digest.ts';
import type { ApprovalNotice } from '../approvals/approval-notice.ts';
import { evaluateApprovals, type ApprovalEvaluation } from '../approvals/evaluate-approvals.ts';
import { checkRequestLimits } from '../approvals/request-limits.ts';
import type {
  Approval,
  ApprovalRequest,
  ApprovalRequester,
  ApprovalRequestSpec,
  ApprovalState,
} from '../contract/approvals.ts';
import { isHeldBy, type UseOnceGuard } from '../identity/use-once.ts';
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

/** What people approved, not used yet. */
export type ApprovedAct = {
  readonly groups: readonly string[];
  /** Uses the approval up. @throws RequestError `approval_used`, `approvals_unavailable`; AuditError */
  readonly use: () => Promise<void>;
};

/** Seconds after which a sidecar asks again. */
const INTERVAL_SECONDS = 5;
/** For this long after its end, a request that no one decided is answered as expired. */
const EXPIRED_MS = 60_000;
/** Holder of the Lease of a denial. */
const DENIED = 'denied';

/**
 * Finds what people decided about exactly this run or call, or asks them. Everything is read from the API server's
 * storage.
 *
 * @throws RequestError `approval_…`, `too_many_approvals`; AuditError
 */
export const obtainApproval = async (asked: Asked, deps: ApprovalDeps): Promise<ApprovedAct> => {
  const { namespace, digest } = asked.act;
  const question = { ...asked, namespace, name: buildRequestName(digest), digest };
  checkSeparable(asked.act.requester, deps);
  return guardUnavailable(async () => {
    const found = await deps.store.readRequest(question);
    if (found === undefined) return askPeople(question, deps);
    if (found.spec.digest !== question.digest) throw newUnavailable('another request has its name');
    return collect(found, question, deps);
  });
};

type Question = RequestPlace & { readonly digest: string } & Asked;

const newUnavailable = (message: string, cause?: unknown): RequestError =>
  new RequestError('approvals_unavailable', `approvals: ${message}`, { cause });

/** No one is asked who could not be compared with the user. @throws RequestError `approval_separation` */
const checkSeparable = (
  { user }: ApprovalRequester,
  { requireSeparation }: Pick<ApprovalDeps, 'requireSeparation'>,
): void => {
  if (!requireSeparation || user === undefined || user.kubernetesName !== undefined) return;
  throw new RequestError(
    'approval_separation',
    `user ${user.subject} of ${user.issuer}: expected a known name in Kubernetes, got none; see kubernetesName of authority.users.issuers`,
  );
};

/** Nothing is asked or used while the API server does not answer. */
const guardUnavailable = async <T>(act: () => Promise<T>): Promise<T> => {
  try {
    return await act();
  } catch (error) {
    if (error instanceof RequestError || error instanceof AuditError) throw error;
    const detail = error instanceof Error ? error.message : 'no answer';
    throw newUnavailable(detail, error);
  }
};

const collect = async (
  found: ApprovalRequest,
  question: Question,
  deps: ApprovalDeps,
): Promise<ApprovedAct> => {
  const lease = await deps.useOnce.find(computeUseDigest(found.uid));
  if (lease?.holder === DENIED) throw newDenied(found);
  if (lease !== undefined && !isHeldBy(lease, question.attempt, deps.now())) {
    return replace(found, question, deps);
  }
  const approvals = await deps.store.listApprovals(question);
  await deps.observeDecisions(found, approvals, listObserved(question.act));
  const evaluation = evaluateApprovals({
    ...{ request: found, approvals, now: deps.now() },
    hashPolicy: question.demand.hashPolicy,
    asking: question.demand.policies,
    userName: question.act.requester.user?.kubernetesName,
  });
  return answer(evaluation, { found, hasApprovals: approvals.length > 0, question }, deps);
};

/** Each attempt to start a run has another run ID: what people decide is not about one of them. */
const listObserved = ({
  kind,
  recorded: { run, ...recorded },
}: AskedAct): Parameters<ObserveDecisions>[2] => ({ ...recorded, ...(kind === 'call' && { run }) });

const answer = async (
  evaluation: ApprovalEvaluation,
  {
    found,
    hasApprovals,
    question,
  }: {
    readonly found: ApprovalRequest;
    readonly hasApprovals: boolean;
    readonly question: Question;
  },
  deps: ApprovalDeps,
): Promise<ApprovedAct> => {
  switch (evaluation.outcome) {
    case 'approved':
      return {
        groups: evaluation.groups,
        use: () => guardUnavailable(() => use(found, { question, ...evaluation }, deps)),
      };
    case 'denied':
      await keepDenial(found, { question, by: evaluation.by }, deps);
      throw newDenied(found, evaluation);
    case 'expired':
      deps.onApproval('expired');
      await deps.store.removeRequest(found);
      if (Date.parse(found.spec.expiresAt) + EXPIRED_MS < deps.now()) {
        return askPeople(question, deps);
      }
      throw new RequestError('approval_expired', `${formatPlace(found)}: no one approved in time`);
    case 'policy_changed': {
      if (!hasApprovals) return replace(found, question, deps);
      deps.onApproval('policy_changed');
      await deps.store.removeRequest(found);
      const message = `${formatPlace(found)}: policy ${evaluation.policy} has changed since it asked`;
      throw new RequestError('approval_policy_changed', message);
    }
    case 'separation':
      deps.onApproval('separation');
      throw new RequestError(
        'approval_separation',
        `${formatPlace(found)}: ${evaluation.by} approved it, for whom the agent acts: another person must approve`,
      );
    case 'pending':
      throw newPending(found, question.act, deps);
  }
};

const replace = async (
  found: ApprovalRequest,
  question: Question,
  deps: ApprovalDeps,
): Promise<ApprovedAct> => {
  // With it, the objects would go that someone has to review.
  await deps.emergencies.requireReviewed(found);
  await deps.store.removeRequest(found);
  return askPeople(question, deps);
};

const use = async (
  found: ApprovalRequest,
  {
    question,
    by,
    emergencies,
  }: Pick<Extract<ApprovalEvaluation, { outcome: 'approved' }>, 'by' | 'emergencies'> & {
    readonly question: Question;
  },
  deps: ApprovalDeps,
): Promise<void> => {
  for (const emergency of emergencies) await deps.emergencies.begin(found, emergency);
  const outcome = await deps.useOnce.consume({
    ...{ kind: 'approval', digest: computeUseDigest(found.uid), holder: question.attempt },
    expiresAt: Date.parse(found.spec.expiresAt),
  });
  if (outcome === 'used') {
    deps.onApproval('repeated');
    throw new RequestError('approval_used', `${formatPlace(found)}: another attempt has used it`);
  }
  await deps.record(buildEvent('approval.used', { question, by }, deps.now()));
  for (const { group, by: who, incident } of emergencies) {
    deps.onApproval('emergency');
    const event = buildEvent('emergency.used', { question, by: [who] }, deps.now());
    await deps.record({ ...event, message: `group ${group}, by ${who}, incident ${incident}` });
  }
  deps.onApproval('used');
  await showState(found, 'used', deps);
};

/** The first replica that sees a denial keeps it, so that deleting the objects does not undo it. */
const keepDenial = async (
  found: ApprovalRequest,
  { question, by }: { readonly question: Question; readonly by: string },
  deps: ApprovalDeps,
): Promise<void> => {
  const expiresAt = Date.parse(found.spec.expiresAt);
  const denial = { kind: 'approval-denied', expiresAt };
  const { namespace, digest } = question;
  await deps.useOnce.consume({ ...denial, digest: computeDenialDigest(namespace, digest) });
  const used = { ...denial, digest: computeUseDigest(found.uid), holder: DENIED };
  const first = (await deps.useOnce.find(used.digest)) === undefined;
  await deps.useOnce.consume(used);
  if (!first) return;
  await deps.record(buildEvent('approval.denied', { question, by: [by] }, deps.now()));
  deps.onApproval('denied');
  await showState(found, 'denied', deps);
};

/** A state is for display: the request was decided, whether or not it can be shown. */
const showState = (
  found: ApprovalRequest,
  state: ApprovalState,
  { store }: ApprovalDeps,
): Promise<void> => store.setState(found, state).catch(() => undefined);

const askPeople = async (question: Question, deps: ApprovalDeps): Promise<never> => {
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
        ...{ podUid: spec.requester.podUid, createdAt, expiresAt: Date.parse(spec.expiresAt) },
        ...(state !== undefined && { state }),
        ...(since !== undefined && { since }),
      })),
      ...[...others.values()].map((podUid) => ({
        ...{ podUid, createdAt: now, expiresAt: now + lifetimeSeconds * 1000 },
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
  ...{ kind, digest, groups: demand.groups, policies: demand.policies, requester },
  request: fields,
  expiresAt: new Date(expiresAt).toISOString(),
});

const formatPlace = ({ namespace, name }: RequestPlace): string =>
  `ApprovalRequest ${namespace}/${name}`;

const newDenied = (
  place: RequestPlace,
  { by, reason }: { readonly by?: string; readonly reason?: string } = {},
): RequestError => {
  const who = by === undefined ? 'it was denied' : `${by} denied it`;
  const why = reason === undefined ? '' : `: ${reason}`;
  return new RequestError('approval_denied', `${formatPlace(place)}: ${who}${why}`);
};

const newPending = (
  { namespace, name, spec }: Pick<ApprovalRequest, 'namespace' | 'name' | 'spec'>,
  { kind }: AskedAct,
  { holdSeconds, now }: Pick<ApprovalDeps, 'holdSeconds' | 'now'>,
): RequestError => {
  const groups = spec.groups.map((group) => group.name);
  const expires_in = Math.max(0, Math.floor((Date.parse(spec.expiresAt) - now()) / 1000));
  const message = `${groups.join(' and ')} must approve: kubectl valetkey approve -n ${namespace} ${name}`;
  const approval = {
    ...{ namespace, name, groups, expires_in, interval: INTERVAL_SECONDS },
    ...(kind === 'call' && holdSeconds > 0 && { hold: holdSeconds }),
  };
  return new RequestError('approval_pending', message, { approval });
};

const buildEvent = (
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
    ...{ kind, at, subject: `${namespace}/${name}`, ...recorded },
    ...((kind !== 'approval.requested' || act.kind === 'call') && { run }),
    message: `digest ${digest}, groups ${demand.groups.map((group) => group.name).join(', ')}${people}`,
  };
};
