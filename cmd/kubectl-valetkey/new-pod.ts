import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import { TASK_ANNOTATION_PREFIX } from '../../lib/contract/names.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { Task } from '../../lib/contract/task.ts';
import { judgeSpiffeId } from '../../lib/grant/spiffe-id.ts';
import { isAsked } from '../../lib/injection/asking.ts';
import { candidateConsumers, declaresTasks, isInjected } from '../../lib/injection/consumers.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { patchFor } from '../../lib/injection/patch.ts';
import { planInjection } from '../../lib/injection/plan.ts';
import { readPod } from '../../lib/injection/pod-shape.ts';
import { profileOf } from '../../lib/injection/profile.ts';
import { judgePod } from '../../lib/injection/rules/rules.ts';
import { succeed, type Fault, type Result } from '../../lib/reading/fault.ts';
import { declaredTasks } from '../../lib/injection/declared-tasks.ts';

/** What admission would say of a pod that is yet to be created. */
export type NewPod = {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** None where a declaration is at fault. */
  readonly tasks: readonly Task[];
  /** Of declarations and of rules; paths as the author wrote the pod. */
  readonly faults: readonly Fault[];
  /** What its author should know, a line each. */
  readonly warnings: readonly string[];
};

export type NewPodTerms = {
  readonly platform: Platform;
  readonly loadCatalogue: LoadCatalogue;
  readonly namespace: string;
};

/**
 * Judges a pod as both webhooks would, one after the other: its declarations, what already bears our
 * names, and every rule on the pod as it is once injected.
 *
 * @returns nothing where the pod is not ours to judge
 */
export const judgeNewPod = async (
  raw: unknown,
  terms: NewPodTerms,
): Promise<NewPod | undefined> => {
  const { platform, loadCatalogue, namespace } = terms;
  const read = readPod(raw);
  if (!read.ok) return { ...EMPTY, namespace, faults: read.faults };
  const pod = read.value;
  if (!isAsked({ pod, oldPod: undefined }, platform)) return undefined;
  const serviceAccount = pod.spec?.serviceAccountName ?? 'default';
  const declared = await tasksOf(pod, platform, loadCatalogue);
  const tasks = declared.ok ? declared.value : [];
  const injected = judgeInjected(pod, declared, platform);
  const faults = [
    ...(declared.ok ? [] : declared.faults),
    ...judgeSubjects({ namespace, serviceAccount, tasks }, platform),
    ...injected.faults,
  ];
  return { namespace, serviceAccount, tasks, faults, warnings: injected.warnings };
};

const EMPTY = { serviceAccount: 'default', tasks: [], warnings: [] };

const tasksOf = (
  pod: Pod,
  platform: Platform,
  loadCatalogue: LoadCatalogue,
): Promise<Result<readonly Task[]>> =>
  declaresTasks(pod)
    ? declaredTasks(
        platform,
        loadCatalogue,
      )({
        annotations: pod.metadata?.annotations ?? {},
        consumers: candidateConsumers(pod, platform),
      })
    : Promise.resolve(succeed([]));

/** Both sides of the judgement are ours: no rule looks at which roots these are. */
const ANY_ROOTS = 'any';

const judgeInjected = (
  pod: Pod,
  declared: Result<readonly Task[]>,
  platform: Platform,
): Pick<NewPod, 'faults' | 'warnings'> => {
  const tasks = declared.ok ? declared.value : [];
  const published = profileOf(platform, ANY_ROOTS);
  const profiles = new Map([[published.hash, published.profile]]);
  const context = { platform, profiles, occasion: 'CREATE', tasks } as const;
  const pretended = judgePod(pod, context, (id) => id === '1');
  // Our own names on a pod that declares nothing: there is nothing that injection would do.
  if (pretended.length > 0 || isInjected(pod) || !declaresTasks(pod)) {
    const others = judgePod(pod, context, (id) => id !== '1' && (declared.ok || id !== '2'));
    return { faults: [...pretended, ...others], warnings: [] };
  }
  const plan = planInjection({ pod, tasks, platform, published });
  if (!plan.ok) return { faults: plan.faults, warnings: [] };
  const final = applyPatch(pod, patchFor(pod, plan.value)) as Pod;
  // Without its tasks the sidecar equals nothing: that would only hide what is wrong.
  const faults = judgePod(final, context, (id) => declared.ok || id !== '2');
  const index = plan.value.injection?.index ?? Infinity;
  return { faults: faults.map((fault) => asAuthored(fault, index)), warnings: plan.value.warnings };
};

/** The sidecar that injection puts at `index` moves those behind it. */
const asAuthored = (fault: Fault, index: number): Fault => ({
  ...fault,
  path: fault.path.replace(/^(\/spec\/initContainers\/)(\d+)/, (_, list: string, at: string) =>
    Number(at) > index ? `${list}${Number(at) - 1}` : `${list}${at}`,
  ),
});

const judgeSubjects = (
  { tasks, ...who }: Pick<NewPod, 'namespace' | 'serviceAccount' | 'tasks'>,
  { authority }: Platform,
): readonly Fault[] =>
  authority === undefined
    ? []
    : tasks.flatMap(({ name }) =>
        judgeSpiffeId({ trustDomain: authority.trustDomain, ...who, task: name }).map((fault) => ({
          ...fault,
          source: `${TASK_ANNOTATION_PREFIX}${name}`,
        })),
      );
