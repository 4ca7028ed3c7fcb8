import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import { TASK_ANNOTATION_PREFIX } from '../../lib/contract/names.ts';
import type { AuthoritySettings, Platform } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { judgeSpiffeId } from '../../lib/grant/spiffe-id.ts';
import type { ReadNamespaceLabels } from '../../lib/identity/identification.ts';
import type { JudgeTasks } from '../../lib/injection/admission-settings.ts';
import { decideAtAdmission } from '../../lib/policy/admission-decision.ts';
import type { Decision } from '../../lib/policy/decision.ts';
import type { CompiledPolicies } from '../../lib/policy/policies.ts';
import type { Fault } from '../../lib/reading/fault.ts';
import type { Policies } from './policies.ts';
import { rememberDecisions, type DecideAtAdmission } from './remembered-decisions.ts';

export type TaskJudgementParts = {
  readonly platform: Platform;
  readonly authority: Pick<AuthoritySettings, 'trustDomain'>;
  readonly policies: Pick<Policies, 'current'>;
  /** Throws where the API server cannot be asked. */
  readonly readNamespaceLabels: ReadNamespaceLabels;
  readonly loadCatalogue: LoadCatalogue;
};

type Judgement = Awaited<ReturnType<JudgeTasks>>;
type Principal = Parameters<JudgeTasks>[0];

/**
 * What `trust: authority` says of a new pod's tasks: each has a SPIFFE ID that a grant can carry, and
 * policy does not deny it. The authority asks again, for every run: this tells authors at once.
 */
export const judgeTasksBy = (parts: TaskJudgementParts): JudgeTasks => {
  const { loadCatalogue } = parts;
  const decide = rememberDecisions((policies, question) =>
    decideAtAdmission({ policies, loadCatalogue }, question),
  );
  return async (asked) => {
    const tooLong = asked.tasks.flatMap((task) => judgeSubject(task, asked, parts));
    const { faults, warnings } = await judgeByPolicy(asked, { ...parts, decide });
    return { faults: [...tooLong, ...faults], warnings };
  };
};

type Parts = TaskJudgementParts & { readonly decide: DecideAtAdmission };

const judgeSubject = (
  { name }: Task,
  { namespace, serviceAccount }: Principal,
  { authority: { trustDomain } }: TaskJudgementParts,
): readonly Fault[] =>
  judgeSpiffeId({ trustDomain, namespace, serviceAccount, task: name }).map((fault) => ({
    ...fault,
    source: annotationOf(name),
  }));

const judgeByPolicy = async (asked: Principal, parts: Parts): Promise<Judgement> => {
  const policies = parts.policies.current();
  if ('unknown' in policies) {
    return refuse('TaskPolicies', { expected: 'policies that can be read', got: policies.unknown });
  }
  if (policies.findings.length === 0) return refuse('TaskPolicies', NO_POLICY);
  const labels = await parts.readNamespaceLabels(asked.namespace).catch(() => undefined);
  if (labels === undefined) {
    const expected = 'its labels, which policy asks for: try again';
    return refuse(`Namespace ${asked.namespace}`, { expected, got: 'no answer' });
  }
  const judgements: Judgement[] = [];
  for (const task of asked.tasks) {
    judgements.push(await judgeOne(task, { asked, labels, policies }, parts));
  }
  return {
    faults: judgements.flatMap(({ faults }) => faults),
    warnings: judgements.flatMap(({ warnings }) => warnings),
  };
};

/** What to do stands in the message: whoever meets it has just installed us. */
const NO_POLICY = {
  expected:
    'at least one that permits the task: apply one, or install the first one with policy.starter.enabled=true',
  got: 'none in this cluster',
};

type Known = {
  readonly asked: Principal;
  readonly labels: Readonly<Record<string, string>>;
  readonly policies: CompiledPolicies;
};

const judgeOne = async (
  task: Task,
  { asked, labels, policies }: Known,
  { platform, decide }: Parts,
): Promise<Judgement> => {
  const { namespace, serviceAccount } = asked;
  const principal = { namespace, namespaceLabels: labels, serviceAccount };
  const decision = await decide(policies, { principal, task, bind: platform.cloud.bind.mode });
  return {
    faults: decision.outcome === 'deny' ? breaches(task, decision) : [],
    warnings: decision.outcome === 'undecided' ? doubts(task, decision) : [],
  };
};

const breaches = ({ name }: Task, { reasons }: Decision): readonly Fault[] =>
  reasons.map((got) => ({
    source: annotationOf(name),
    path: '(policy)',
    expected: 'what TaskPolicies permit',
    got,
    rule: 'policy',
  }));

const doubts = ({ name }: Task, { reasons }: Decision): readonly string[] =>
  reasons.map((reason) => `task ${name} may be denied when a run starts: ${reason}`);

const refuse = (path: string, { expected, got }: Pick<Fault, 'expected' | 'got'>): Judgement => ({
  faults: [{ path, expected, got, rule: 'policy' }],
  warnings: [],
});

const annotationOf = (task: string): string => `${TASK_ANNOTATION_PREFIX}${task}`;
