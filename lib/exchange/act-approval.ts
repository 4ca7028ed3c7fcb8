import { AuditError } from '../audit/audit-event.ts';
import {
  buildRequestName,
  computeDenialDigest,
  computeUseDigest,
} from '../approvals/approval-digest.ts';
import { evaluateApprovals, type ApprovalEvaluation } from '../approvals/approval-evaluation.ts';
import type { ApprovalRequest, ApprovalRequester, ApprovalState } from '../contract/approvals.ts';
import { isHeldBy } from '../identity/use-once.ts';
import {
  askPeople,
  buildEvent,
  formatPlace,
  newDenied,
  newPending,
  type ApprovalDeps,
  type Asked,
  type Question,
} from './approval-question.ts';
import type { AskedAct } from './asked-acts.ts';
import type { ObserveDecisions } from './decision-observation.ts';
import { RequestError } from './token-refusal.ts';

/** What people approved, not used yet. */
export type ApprovedAct = {
  readonly groups: readonly string[];
  /** Uses the approval up. @throws RequestError `approval_used`, `approvals_unavailable`; AuditError */
  readonly use: () => Promise<void>;
};

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
    request: found,
    approvals,
    now: deps.now(),
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
    kind: 'approval',
    digest: computeUseDigest(found.uid),
    holder: question.attempt,
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
