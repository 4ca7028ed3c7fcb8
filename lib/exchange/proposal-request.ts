import { AuditError } from '../audit/audit-event.ts';
import {
  buildProposalName,
  countProposedPairs,
  proposalRequest,
} from '../approvals/proposal-objects.ts';
import { renderAnnotationDiff, renderPermits } from '../approvals/proposal-texts.ts';
import type { LoadCatalog } from '../catalog/catalog.ts';
import { MINTED_TEXT } from '../catalog/minting-actions.ts';
import { JWT_TYPE } from '../contract/authority-api.ts';
import {
  MAX_PROPOSAL_LENGTH,
  MAX_PROPOSED_PAIRS,
  type ProposalRequest,
  type TaskProposal,
  type TaskProposalSpec,
} from '../contract/proposals.ts';
import type { Task, TaskStatement } from '../contract/task.ts';
import type { Workload } from '../identity/workload.ts';
import { escapeInvisible, type Result } from '../schema/field-error.ts';
import { object, rejectValue, type Reader } from '../schema/reader.ts';
import { readService } from '../task/action.ts';
import { widenPlaceholders } from '../task/resource.ts';
import { findUncoveredPair } from '../task/subset.ts';
import type { Canaries } from './canaries.ts';
import type { Call, Caller, IdentifyWorkload, VerifyPodToken } from './caller.ts';
import { buildAuditActor, type RecordDeps } from './exchange-records.ts';
import { readForm, redactedEnum, token } from './form-reader.ts';
import {
  refuseRevoked,
  toPolicyRequest,
  type PolicyDeps,
  type RevocationDeps,
} from './request-authorization.ts';
import type { RunReportContext } from './run-report.ts';
import { newMalformedError, RequestError } from './token-refusal.ts';

/** TaskProposals at the API server. Every function throws KubernetesError. */
export type ProposalStore = {
  readonly list: (namespace: string) => Promise<readonly TaskProposal[]>;
  readonly create: (
    place: { readonly namespace: string; readonly name: string },
    spec: TaskProposalSpec,
  ) => Promise<'created' | 'exists'>;
  readonly remove: (proposal: TaskProposal) => Promise<void>;
};

export type ProposalDeps = Omit<PolicyDeps, 'computeGates' | 'approvals'> &
  RevocationDeps &
  RecordDeps & {
    readonly verifyPodToken: VerifyPodToken;
    readonly checkRateLimits: (caller: Caller) => void;
    readonly identifyWorkload: IdentifyWorkload;
    readonly loadCatalog: LoadCatalog;
    readonly proposalStore: ProposalStore;
    readonly canaries: Pick<Canaries, 'findTouched'>;
    /** Checks a scope as if it were declared in the place of a task's. @returns it in normal form */
    readonly normalizeScope: (
      task: Task,
      allow: readonly TaskStatement[],
    ) => Promise<Result<readonly TaskStatement[]>>;
  };

const LIFETIME_MS = 7 * 24 * 60 * 60_000;
const MAX_OPEN_PER_POD = 5;
const MAX_OPEN_PER_NAMESPACE = 20;

const proposalJson: Reader<ProposalRequest> = (given, path, faults) => {
  if (typeof given === 'string' && given.length <= MAX_PROPOSAL_LENGTH) {
    try {
      return proposalRequest(JSON.parse(given), path, faults);
    } catch {
      // Not JSON: rejected below.
    }
  }
  const expected = `JSON of at most ${MAX_PROPOSAL_LENGTH} characters`;
  return rejectValue(faults, { path, expected, value: undefined });
};

const FIELDS = {
  subject_token: token,
  subject_token_type: { optional: redactedEnum([JWT_TYPE]) },
  proposal: proposalJson,
} as const;

const fields = object(FIELDS);

export type ProposalAnswer = { readonly name: string; readonly outcome: 'created' | 'exists' };

/**
 * Writes down for people which right a running pod lacks. Nothing applies it. The texts are the authority's own;
 * the agent's words are beside them.
 *
 * @param context filled in step by step
 * @throws RequestError `task_unknown`, `consumer_not_allowed`, `proposal_invalid`, `proposal_needless`,
 *   `policy_denied`, `too_many_proposals`, `proposals_unavailable`, `revoked`; IdentityError, AuditError
 */
export const createProposal = async (
  { form, peer }: Call,
  context: RunReportContext,
  deps: ProposalDeps,
): Promise<ProposalAnswer> => {
  const request = readForm(form, { names: Object.keys(FIELDS), reader: fields });
  if (!request.ok) throw newMalformedError('request_malformed', request.faults);
  const { subject_token: podToken, proposal } = request.value;
  const verified = await deps.verifyPodToken(podToken, peer);
  const { caller } = verified;
  context.caller = caller;
  deps.checkRateLimits(caller);
  const workload = await deps.identifyWorkload(verified);
  const task = findTask(proposal, workload);
  const { pod, namespace, serviceAccount } = workload;
  const target = { namespace, serviceAccount, pod: pod.name, podUid: pod.uid };
  refuseRevoked({ ...target, task: task.name, run: '' }, deps);
  const allow = await readScope(task, proposal.allow, deps);
  refuseCanaryProposal(allow, deps.canaries);
  const texts = await buildTexts({ workload, task, allow, caller }, deps);
  const { consumer, reason } = proposal;
  const spec: TaskProposalSpec = {
    requester: { serviceAccount, pod: pod.name, podUid: pod.uid, consumer },
    task: task.name,
    allow,
    ...texts,
    ...(reason !== undefined && { reason: escapeInvisible(reason) }),
    expiresAt: new Date(deps.now() + LIFETIME_MS).toISOString(),
  };
  const name = buildProposalName({ serviceAccount, role: task.role, task: task.name, allow });
  return store({ namespace, name, spec, caller }, deps);
};

const findTask = ({ task: name, consumer }: ProposalRequest, { admitted }: Workload): Task => {
  const task = admitted.tasks.find((each) => each.name === name);
  if (task === undefined) throw new RequestError('task_unknown', `task: got ${name}`);
  if (task.containers.includes(consumer)) return task;
  throw new RequestError('consumer_not_allowed', `consumer: task ${name} does not name it`);
};

/** People are not asked for what no agent needs, and the agent does not learn that it is a canary. */
const refuseCanaryProposal = (
  allow: readonly TaskStatement[],
  { findTouched }: ProposalDeps['canaries'],
): void => {
  const pairs = allow.flatMap(({ actions, resources }) =>
    actions.flatMap((action) => resources.map((resource) => ({ action, resource }))),
  );
  if (findTouched(pairs) === undefined) return;
  throw new RequestError('policy_denied', 'no policy permits it', { policies: [] });
};

/** What no annotation could contain, or would live longer than a run, is not proposed to people. */
const readScope = async (
  task: Task,
  given: readonly TaskStatement[],
  { normalizeScope, loadCatalog }: ProposalDeps,
): Promise<readonly TaskStatement[]> => {
  const scope = await normalizeScope(task, given);
  if (!scope.ok) throw newMalformedError('proposal_invalid', scope.faults);
  const count = countProposedPairs(scope.value);
  if (count > MAX_PROPOSED_PAIRS) {
    const message = `expected at most ${MAX_PROPOSED_PAIRS} pairs of an action and a resource, got ${count}`;
    throw new RequestError('proposal_invalid', message);
  }
  if (task.provider === 'aws') await refuseMinting(scope.value, loadCatalog);
  return scope.value;
};

const refuseMinting = async (
  allow: readonly TaskStatement[],
  loadCatalog: LoadCatalog,
): Promise<void> => {
  const names = allow.flatMap(({ actions }) => actions);
  const catalog = await loadCatalog(new Set(names.flatMap((name) => readService(name) ?? [])));
  for (const name of names) {
    const found = catalog.find(name);
    const mints = found.known
      ? found.actions.find((each) => each.mints !== undefined)?.mints
      : undefined;
    if (mints === undefined) continue;
    throw new RequestError(
      'proposal_invalid',
      `${name} ${MINTED_TEXT[mints]}: it cannot be proposed`,
    );
  }
};

/** @throws RequestError `proposal_needless`, `policy_denied` */
const buildTexts = async (
  {
    workload,
    task,
    allow,
    caller,
  }: {
    readonly workload: Workload;
    readonly task: Task;
    readonly allow: readonly TaskStatement[];
    readonly caller: Caller;
  },
  deps: ProposalDeps,
): Promise<Pick<TaskProposalSpec, 'annotation' | 'cedar'>> => {
  const declared = task.allow.map(({ actions, resources }) => ({
    actions,
    resources: resources.map(widenPlaceholders),
  }));
  const isDeclared = findUncoveredPair(allow, declared) === undefined;
  const annotation = isDeclared ? '' : renderAnnotationDiff(task, allow);
  const asked = { ...task, allow, params: {} };
  const subject = {
    principal: workload,
    task: asked,
    params: {},
    approvals: [],
    ...(task.provider !== 'aws' && { upstream: deps.findUpstream(task) }),
  };
  const { decision, demand } = await deps.decideRun(toPolicyRequest(subject, deps), caller);
  const isPermitted = decision.outcome === 'allow' || demand !== undefined;
  if (isPermitted && isDeclared) {
    const message = `task ${task.name} declares it, and policy permits it; check the values of params`;
    throw new RequestError('proposal_needless', message);
  }
  const { policies, reasons } = decision;
  // A permit does not help against a policy that forbids.
  if (!isPermitted && policies.length > 0) {
    throw new RequestError('policy_denied', reasons.join('\n'), { policies });
  }
  return { annotation, cedar: isPermitted ? '' : renderPermits(workload, task, allow) };
};

type Wanted = {
  readonly namespace: string;
  readonly name: string;
  readonly spec: TaskProposalSpec;
  readonly caller: Caller;
};

const store = async (wanted: Wanted, deps: ProposalDeps): Promise<ProposalAnswer> => {
  try {
    return await storeOnce(wanted, deps);
  } catch (error) {
    if (error instanceof RequestError || error instanceof AuditError) throw error;
    const detail = error instanceof Error ? error.message : 'no answer';
    throw new RequestError('proposals_unavailable', `proposals: ${detail}`, { cause: error });
  }
};

const storeOnce = async (
  { namespace, name, spec, caller }: Wanted,
  { proposalStore, record, now }: ProposalDeps,
): Promise<ProposalAnswer> => {
  const all = await proposalStore.list(namespace);
  const open = all.filter((each) => Date.parse(each.spec.expiresAt) > now());
  if (open.some((each) => each.name === name)) return { name, outcome: 'exists' };
  checkLimits(open, { podUid: caller.pod.uid, now: now() });
  const expired = all.find((each) => each.name === name);
  if (expired !== undefined) await proposalStore.remove(expired);
  await record({
    kind: 'proposal.created',
    at: now(),
    subject: `${namespace}/${name}`,
    actor: buildAuditActor(caller, spec.requester.consumer),
    task: spec.task,
    message: describeScope(spec.allow),
  });
  return { name, outcome: await proposalStore.create({ namespace, name }, spec) };
};

const describeScope = (allow: readonly TaskStatement[]): string =>
  allow
    .map(({ actions, resources }) => `${actions.join(', ')} on ${resources.join(', ')}`)
    .join('; ');

const checkLimits = (
  open: readonly TaskProposal[],
  { podUid, now }: { readonly podUid: string; readonly now: number },
): void => {
  const own = open.filter(({ spec }) => spec.requester.podUid === podUid);
  const limits = [
    [own, MAX_OPEN_PER_POD, 'this pod'],
    [open, MAX_OPEN_PER_NAMESPACE, 'this namespace'],
  ] as const;
  for (const [found, max, of] of limits) {
    if (found.length < max) continue;
    const firstEnd = Math.min(...found.map(({ spec }) => Date.parse(spec.expiresAt)));
    const message = `expected fewer than ${max} open proposals of ${of}, got ${found.length}`;
    throw new RequestError('too_many_proposals', message, { retryAfterMs: firstEnd - now });
  }
};
