import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import { TASK_ANNOTATION_PREFIX } from '../../lib/contract/names.ts';
import type { AuthoritySettings, Platform } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { checkSpiffeId } from '../../lib/grant/spiffe-id.ts';
import type { ReadNamespaceLabels } from '../../lib/identity/workload-identification.ts';
import type { EvaluatePolicy } from '../../lib/injection/admission-deps.ts';
import { evaluateAdmissionPolicy } from '../../lib/policy/admission-decision.ts';
import type { PolicyDecision } from '../../lib/policy/decision.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import type { FieldError } from '../../lib/schema/field-error.ts';
import type { PolicyWatch } from './policy-watch.ts';
import { cacheDecisions, type EvaluateAtAdmission } from './cached-decisions.ts';

export type TaskCheckDeps = {
  readonly platform: Platform;
  readonly authority: Pick<AuthoritySettings, 'trustDomain'>;
  readonly policies: Pick<PolicyWatch, 'current'>;
  /** Throws where the API server cannot be asked. */
  readonly readNamespaceLabels: ReadNamespaceLabels;
  readonly loadCatalog: LoadCatalog;
};

type TaskCheckResult = Awaited<ReturnType<EvaluatePolicy>>;
type Principal = Parameters<EvaluatePolicy>[0];

/**
 * What `trust: authority` says of a new pod's tasks: each has a SPIFFE ID that a grant can carry, and
 * policy does not deny it. The authority asks again, for every run: this tells authors at once.
 */
export const createTaskChecker = (parts: TaskCheckDeps): EvaluatePolicy => {
  const { loadCatalog } = parts;
  const decide = cacheDecisions((policies, question) =>
    evaluateAdmissionPolicy({ policies, loadCatalog }, question),
  );
  return async (asked) => {
    const tooLong = asked.tasks.flatMap((task) => checkSubject(task, asked, parts));
    const { faults, warnings } = await checkAgainstPolicies(asked, { ...parts, decide });
    return { faults: [...tooLong, ...faults], warnings };
  };
};

type TaskEvaluationDeps = TaskCheckDeps & { readonly decide: EvaluateAtAdmission };

const checkSubject = (
  { name }: Task,
  { namespace, serviceAccount }: Principal,
  { authority: { trustDomain } }: TaskCheckDeps,
): readonly FieldError[] =>
  checkSpiffeId({ trustDomain, namespace, serviceAccount, task: name }).map((fault) => ({
    ...fault,
    source: buildAnnotationKey(name),
  }));

const checkAgainstPolicies = async (
  request: Principal,
  parts: TaskEvaluationDeps,
): Promise<TaskCheckResult> => {
  const policies = parts.policies.current();
  if ('unknown' in policies) {
    return refuseTasks('TaskPolicies', {
      expected: 'policies that can be read',
      got: policies.unknown,
    });
  }
  if (policies.findings.length === 0) return refuseTasks('TaskPolicies', NO_POLICY);
  const labels = await parts.readNamespaceLabels(request.namespace).catch(() => undefined);
  if (labels === undefined) {
    const expected = 'its labels, which policy asks for: try again';
    return refuseTasks(`Namespace ${request.namespace}`, { expected, got: 'no answer' });
  }
  const results: TaskCheckResult[] = [];
  for (const task of request.tasks) {
    results.push(await checkTask(task, { request, labels, policies }, parts));
  }
  return {
    faults: results.flatMap(({ faults }) => faults),
    warnings: results.flatMap(({ warnings }) => warnings),
  };
};

/** What to do stands in the message: whoever meets it has just installed us. */
const NO_POLICY = {
  expected:
    'at least one that permits the task: apply one, or install the first one with policy.starter.enabled=true',
  got: 'none in this cluster',
};

type TaskCheckContext = {
  readonly request: Principal;
  readonly labels: Readonly<Record<string, string>>;
  readonly policies: CompiledPolicies;
};

const checkTask = async (
  task: Task,
  { request, labels, policies }: TaskCheckContext,
  { platform, decide }: TaskEvaluationDeps,
): Promise<TaskCheckResult> => {
  const { namespace, serviceAccount } = request;
  const principal = { namespace, namespaceLabels: labels, serviceAccount };
  const decision = await decide(policies, {
    principal,
    task,
    sourceRestriction: platform.cloud.bind.mode,
  });
  return {
    faults: decision.outcome === 'deny' ? toDenialErrors(task, decision) : [],
    warnings: decision.outcome === 'undecided' ? buildWarnings(task, decision) : [],
  };
};

const toDenialErrors = ({ name }: Task, { reasons }: PolicyDecision): readonly FieldError[] =>
  reasons.map((got) => ({
    source: buildAnnotationKey(name),
    path: '(policy)',
    expected: 'what TaskPolicies permit',
    got,
    rule: 'policy',
  }));

const buildWarnings = ({ name }: Task, { reasons }: PolicyDecision): readonly string[] =>
  reasons.map((reason) => `task ${name} may be denied when a run starts: ${reason}`);

const refuseTasks = (
  path: string,
  { expected, got }: Pick<FieldError, 'expected' | 'got'>,
): TaskCheckResult => ({
  faults: [{ path, expected, got, rule: 'policy' }],
  warnings: [],
});

const buildAnnotationKey = (task: string): string => `${TASK_ANNOTATION_PREFIX}${task}`;
