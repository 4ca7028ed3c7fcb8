import type {
  Approval,
  ApprovalGroup,
  ApprovalRequest,
  AskingPolicy,
} from '../contract/approvals.ts';

/** How long an emergency counts after it was declared. */
export const EMERGENCY_MS = 15 * 60_000;

export type ApprovalEvidence = {
  readonly request: ApprovalRequest;
  /** Those with the request's label, as the API server has them now. */
  readonly approvals: readonly Approval[];
  /** SHA-256, hex, of the current text of a policy; undefined: there is no such policy. */
  readonly hashPolicy: (id: string) => string | undefined;
  /** The policies that ask now. */
  readonly asking: readonly AskingPolicy[];
  /** Name at the API server of the user on whose behalf the agent acts; undefined: none, or not known. */
  readonly userName?: string | undefined;
  /** Wall-clock milliseconds since the epoch. */
  readonly now: number;
};

export type ApprovalEvaluation =
  | {
      readonly outcome: 'approved';
      readonly groups: readonly string[];
      /** Who approved, in the order of names. */
      readonly by: readonly string[];
      readonly emergencies: readonly Emergency[];
    }
  | { readonly outcome: 'denied'; readonly by: string; readonly reason?: string }
  | { readonly outcome: 'expired' }
  /** A policy that asked has changed, or another one asks now. */
  | { readonly outcome: 'policy_changed'; readonly policy: string }
  /** Only the user on whose behalf the agent acts has approved. */
  | { readonly outcome: 'separation'; readonly by: string }
  | { readonly outcome: 'pending'; readonly missing: readonly ApprovalGroup[] };

/** One person decided alone about a group. */
export type Emergency = {
  readonly group: string;
  readonly by: string;
  readonly incident: string;
  readonly uid: string;
};

/**
 * Evaluates what people decided about one request. An Approval counts if it names this very object, by
 * name, UID and digest, and a group that was asked. One denial is enough; approvals of a group count once
 * for each person.
 */
export const evaluateApprovals = (evidence: ApprovalEvidence): ApprovalEvaluation => {
  const { request, now } = evidence;
  const matching = evidence.approvals.filter((approval) => isAbout(approval, request));
  const denial = matching.find(({ spec }) => spec.decision === 'deny');
  if (denial !== undefined) {
    const { by, reason } = denial.spec;
    return { outcome: 'denied', by, ...(reason !== undefined && { reason }) };
  }
  if (Date.parse(request.spec.expiresAt) <= now) return { outcome: 'expired' };
  const policy = findChangedPolicy(evidence);
  if (policy !== undefined) return { outcome: 'policy_changed', policy };
  return countApprovals(matching, evidence);
};

const isAbout = ({ spec }: Approval, { name, uid, spec: asked }: ApprovalRequest): boolean =>
  spec.request.name === name &&
  spec.request.uid === uid &&
  spec.request.digest === asked.digest &&
  asked.groups.some((group) => group.name === spec.group);

const findChangedPolicy = ({
  request,
  hashPolicy,
  asking,
}: Pick<ApprovalEvidence, 'request' | 'hashPolicy' | 'asking'>): string | undefined => {
  const asked = request.spec.policies;
  const changed = asked.find(({ id, sha256 }) => hashPolicy(id) !== sha256);
  return (changed ?? asking.find(({ id }) => !asked.some((policy) => policy.id === id)))?.id;
};

const countApprovals = (
  matching: readonly Approval[],
  { request, userName, now }: ApprovalEvidence,
): ApprovalEvaluation => {
  const approving = matching.filter(({ spec }) => spec.decision === 'approve');
  const results = request.spec.groups.map((group) => ({
    group,
    ...countGroup(
      approving.filter(({ spec }) => spec.group === group.name),
      { userName, now },
    ),
  }));
  const missing = results.filter((each) => !isMet(each)).map(({ group }) => group);
  if (missing.length === 0) {
    const emergencies = results.flatMap(({ emergency }) => emergency ?? []);
    const by = [...results.flatMap((each) => each.by), ...emergencies.map((each) => each.by)];
    return {
      outcome: 'approved',
      groups: results.map(({ group }) => group.name),
      emergencies,
      by: [...new Set(by)].sort(),
    };
  }
  const own = results.find((each) => !isMet(each) && each.own !== undefined)?.own;
  return own === undefined || results.some((each) => !isMet(each) && !isMetWithOwn(each))
    ? { outcome: 'pending', missing }
    : { outcome: 'separation', by: own };
};

type GroupCount = {
  readonly by: readonly string[];
  readonly own: string | undefined;
  readonly emergency: Emergency | undefined;
};
type GroupResult = GroupCount & { readonly group: ApprovalGroup };

const isMet = ({ group, by, emergency }: GroupResult): boolean =>
  emergency !== undefined || by.length >= group.quorum;

const isMetWithOwn = ({ group, by, own }: GroupResult): boolean =>
  by.length + (own === undefined ? 0 : 1) >= group.quorum;

const countGroup = (
  approvals: readonly Approval[],
  { userName, now }: Pick<ApprovalEvidence, 'userName' | 'now'>,
): GroupCount => {
  const ordinary = approvals.filter(({ spec }) => spec.emergency === undefined);
  const names = [...new Set(ordinary.map(({ spec }) => spec.by))];
  const emergency = approvals.find(
    ({ spec, createdAt }) => spec.emergency !== undefined && createdAt + EMERGENCY_MS > now,
  );
  return {
    by: names.filter((name) => name !== userName),
    own: names.find((name) => name === userName),
    emergency: emergency && toEmergency(emergency),
  };
};

const toEmergency = ({ uid, spec }: Approval): Emergency => ({
  group: spec.group,
  by: spec.by,
  uid,
  incident: spec.emergency?.incident ?? '',
});
