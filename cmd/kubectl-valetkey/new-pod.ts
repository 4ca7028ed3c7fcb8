import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import { TASK_ANNOTATION_PREFIX } from '../../lib/contract/names.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { Task } from '../../lib/contract/task.ts';
import { checkSpiffeId } from '../../lib/grant/spiffe-id.ts';
import { isInScope } from '../../lib/injection/webhook-scope.ts';
import { hasTaskDeclarations, isInjected } from '../../lib/injection/consumers.ts';
import { createTaskReader, readDeclaredTasks } from '../../lib/injection/declared-tasks.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { buildPatch } from '../../lib/injection/patch.ts';
import { planInjection } from '../../lib/injection/injection-plan.ts';
import { parsePod } from '../../lib/injection/pod-schema.ts';
import {
  buildInjectionTemplate,
  type PublishedTemplate,
} from '../../lib/injection/injection-template.ts';
import type { RuleContext } from '../../lib/injection/rules/rule.ts';
import { evaluateRules } from '../../lib/injection/rules/rules.ts';
import { getServiceAccountName } from '../../lib/injection/pod-context.ts';
import { applyExemptions, type ExemptionResult } from '../../lib/injection/exemptions.ts';
import type { FieldError, Result } from '../../lib/schema/field-error.ts';
import type { ReadSourcedPodContext, SourcedPodContext } from './pod-context.ts';

/** What admission would say of a pod that is yet to be created. */
export type NewPodResult = {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** None where a declaration is at fault. */
  readonly tasks: readonly Task[];
  /** Of declarations and of rules; paths as the author wrote the pod. */
  readonly faults: readonly FieldError[];
  /** Breaches that the platform excepts, or a migration excuses; paths as above. */
  readonly exempted: ExemptionResult['exempted'];
  /** What its author should know besides, a line each. */
  readonly warnings: readonly string[];
  /** By which it was judged; absent: it is no pod, and nobody looked. */
  readonly podContext?: SourcedPodContext;
};

export type NewPodOptions = {
  readonly platform: Platform;
  readonly loadCatalog: LoadCatalog;
  readonly namespace: string;
  readonly readPodContext: ReadSourcedPodContext;
};

/**
 * Judges a pod as both webhooks would, one after the other: its declarations, what already bears our
 * names, and every rule on the pod as it is once injected.
 *
 * @returns nothing where the pod is not ours to judge
 * @throws KubernetesError
 */
export const checkNewPod = async (
  raw: unknown,
  terms: NewPodOptions,
): Promise<NewPodResult | undefined> => {
  const { platform, loadCatalog, namespace } = terms;
  const read = parsePod(raw);
  if (!read.ok) return { ...EMPTY, namespace, faults: read.faults };
  const pod = read.value;
  if (!isInScope({ pod, oldPod: undefined }, platform)) return undefined;
  const serviceAccount = getServiceAccountName(pod);
  const podContext = await terms.readPodContext({ namespace, serviceAccount });
  const declared = await readDeclaredTasks(pod, platform, createTaskReader(platform, loadCatalog));
  const tasks = declared.ok ? declared.value : [];
  const { refusals, ...ruleResult } = checkRules(pod, declared, {
    platform,
    namespace,
    podContext,
  });
  const faults = [
    ...(declared.ok ? [] : declared.faults),
    ...checkSubjects({ namespace, serviceAccount, tasks }, platform),
    ...refusals,
  ];
  return { namespace, serviceAccount, tasks, faults, ...ruleResult, podContext };
};

const EMPTY = { serviceAccount: 'default', tasks: [], exempted: [], warnings: [] };

/** Both sides of the judgement are ours: no rule looks at which roots these are. */
const ANY_ROOTS = 'any';

type RuleOptions = {
  readonly platform: Platform;
  readonly namespace: string;
  readonly podContext: SourcedPodContext;
};

const checkRules = (
  pod: Pod,
  declared: Result<readonly Task[]>,
  terms: RuleOptions,
): ExemptionResult & Pick<NewPodResult, 'warnings'> => {
  const { platform, namespace } = terms;
  const tasks = declared.ok ? declared.value : [];
  const published = buildInjectionTemplate(platform, ANY_ROOTS);
  const checkWith = createRuleCheck({ tasks, published }, terms);
  // Our own names on a pod that declares nothing: there is nothing that injection would do.
  if (!hasTaskDeclarations(pod)) return { ...checkWith(pod, () => true), warnings: [] };
  const plan = planInjection({ pod, tasks, platform, published, namespace });
  if (!plan.ok) return { refusals: plan.faults, exempted: [], warnings: [] };
  const { injection, ...filling } = plan.value;
  const hasReservedNames = checkWith(pod, (id) => id === '1').refusals.length > 0;
  const final = applyPatch(pod, buildPatch(pod, hasReservedNames ? filling : plan.value)) as Pod;
  // Without its tasks, or where none is injected, a sidecar equals nothing: that would only hide what is wrong.
  const hasEquality = declared.ok && (isInjected(pod) || !hasReservedNames);
  const { refusals, exempted } = checkWith(final, (id) => id !== '2' || hasEquality);
  const index = hasReservedNames ? Infinity : (injection?.index ?? Infinity);
  return {
    refusals: refusals.map((fault) => toAuthoredPath(fault, index)),
    exempted: exempted.map(({ fault, by }) => ({ fault: toAuthoredPath(fault, index), by })),
    warnings: plan.value.warnings,
  };
};

type CheckRules = (pod: Pod, isAskedFor: (id: string) => boolean) => ExemptionResult;

const createRuleCheck = (
  { tasks, published }: { readonly tasks: readonly Task[]; readonly published: PublishedTemplate },
  { platform, namespace, podContext: { labels = {}, serviceAccount } }: RuleOptions,
): CheckRules => {
  const context: RuleContext = {
    ...{ platform, tasks, namespace, phase: 'CREATE' },
    templates: new Map([[published.hash, published.template]]),
    ...(serviceAccount && { serviceAccount }),
  };
  return (pod, isAskedFor) =>
    applyExemptions(evaluateRules(pod, context, isAskedFor), { platform, namespace, labels });
};

/** The sidecar that injection puts at `index` moves those behind it. */
const toAuthoredPath = (fault: FieldError, index: number): FieldError => ({
  ...fault,
  path: fault.path.replace(/^(\/spec\/initContainers\/)(\d+)/, (_, list: string, at: string) =>
    Number(at) > index ? `${list}${Number(at) - 1}` : `${list}${at}`,
  ),
});

const checkSubjects = (
  { tasks, ...who }: Pick<NewPodResult, 'namespace' | 'serviceAccount' | 'tasks'>,
  { authority }: Platform,
): readonly FieldError[] =>
  authority === undefined
    ? []
    : tasks.flatMap(({ name }) =>
        checkSpiffeId({ trustDomain: authority.trustDomain, ...who, task: name }).map((fault) => ({
          ...fault,
          source: `${TASK_ANNOTATION_PREFIX}${name}`,
        })),
      );
