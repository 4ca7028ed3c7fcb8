import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import { TASK_ANNOTATION_PREFIX } from '../../lib/contract/names.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { Task } from '../../lib/contract/task.ts';
import { judgeSpiffeId } from '../../lib/grant/spiffe-id.ts';
import { isAsked } from '../../lib/injection/asking.ts';
import { declaresTasks, isInjected } from '../../lib/injection/consumers.ts';
import { declaredTasks, readDeclared } from '../../lib/injection/declared-tasks.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { patchFor } from '../../lib/injection/patch.ts';
import { planInjection } from '../../lib/injection/plan.ts';
import { readPod } from '../../lib/injection/pod-shape.ts';
import { profileOf, type PublishedProfile } from '../../lib/injection/profile.ts';
import type { JudgeContext } from '../../lib/injection/rules/rule.ts';
import { judgePod } from '../../lib/injection/rules/rules.ts';
import { accountOf } from '../../lib/injection/surroundings.ts';
import { judgeBreaches, type Verdict } from '../../lib/injection/verdict.ts';
import type { Fault, Result } from '../../lib/reading/fault.ts';
import type { ReadToldSurroundings, ToldSurroundings } from './surroundings.ts';

/** What admission would say of a pod that is yet to be created. */
export type NewPod = {
  readonly namespace: string;
  readonly serviceAccount: string;
  /** None where a declaration is at fault. */
  readonly tasks: readonly Task[];
  /** Of declarations and of rules; paths as the author wrote the pod. */
  readonly faults: readonly Fault[];
  /** Breaches that the platform excepts, or a migration excuses; paths as above. */
  readonly excused: Verdict['excused'];
  /** What its author should know besides, a line each. */
  readonly warnings: readonly string[];
  /** By which it was judged; absent: it is no pod, and nobody looked. */
  readonly surroundings?: ToldSurroundings;
};

export type NewPodTerms = {
  readonly platform: Platform;
  readonly loadCatalogue: LoadCatalogue;
  readonly namespace: string;
  readonly readSurroundings: ReadToldSurroundings;
};

/**
 * Judges a pod as both webhooks would, one after the other: its declarations, what already bears our
 * names, and every rule on the pod as it is once injected.
 *
 * @returns nothing where the pod is not ours to judge
 * @throws KubernetesError
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
  const serviceAccount = accountOf(pod);
  const surroundings = await terms.readSurroundings({ namespace, serviceAccount });
  const declared = await readDeclared(pod, platform, declaredTasks(platform, loadCatalogue));
  const tasks = declared.ok ? declared.value : [];
  const { refusals, ...judged } = judgeByRules(pod, declared, {
    platform,
    namespace,
    surroundings,
  });
  const faults = [
    ...(declared.ok ? [] : declared.faults),
    ...judgeSubjects({ namespace, serviceAccount, tasks }, platform),
    ...refusals,
  ];
  return { namespace, serviceAccount, tasks, faults, ...judged, surroundings };
};

const EMPTY = { serviceAccount: 'default', tasks: [], excused: [], warnings: [] };

/** Both sides of the judgement are ours: no rule looks at which roots these are. */
const ANY_ROOTS = 'any';

type RuleTerms = {
  readonly platform: Platform;
  readonly namespace: string;
  readonly surroundings: ToldSurroundings;
};

const judgeByRules = (
  pod: Pod,
  declared: Result<readonly Task[]>,
  terms: RuleTerms,
): Verdict & Pick<NewPod, 'warnings'> => {
  const { platform, namespace } = terms;
  const tasks = declared.ok ? declared.value : [];
  const published = profileOf(platform, ANY_ROOTS);
  const judge = judgeBy({ tasks, published }, terms);
  // Our own names on a pod that declares nothing: there is nothing that injection would do.
  if (!declaresTasks(pod)) return { ...judge(pod, () => true), warnings: [] };
  const plan = planInjection({ pod, tasks, platform, published, namespace });
  if (!plan.ok) return { refusals: plan.faults, excused: [], warnings: [] };
  const { injection, ...filling } = plan.value;
  const isPretending = judge(pod, (id) => id === '1').refusals.length > 0;
  const final = applyPatch(pod, patchFor(pod, isPretending ? filling : plan.value)) as Pod;
  // Without its tasks, or where none is injected, a sidecar equals nothing: that would only hide what is wrong.
  const hasEquality = declared.ok && (isInjected(pod) || !isPretending);
  const { refusals, excused } = judge(final, (id) => id !== '2' || hasEquality);
  const index = isPretending ? Infinity : (injection?.index ?? Infinity);
  return {
    refusals: refusals.map((fault) => asAuthored(fault, index)),
    excused: excused.map(({ fault, by }) => ({ fault: asAuthored(fault, index), by })),
    warnings: plan.value.warnings,
  };
};

type JudgeByRules = (pod: Pod, isAskedFor: (id: string) => boolean) => Verdict;

const judgeBy = (
  { tasks, published }: { readonly tasks: readonly Task[]; readonly published: PublishedProfile },
  { platform, namespace, surroundings: { labels = {}, serviceAccount } }: RuleTerms,
): JudgeByRules => {
  const context: JudgeContext = {
    ...{ platform, tasks, namespace, occasion: 'CREATE' },
    profiles: new Map([[published.hash, published.profile]]),
    ...(serviceAccount && { serviceAccount }),
  };
  return (pod, isAskedFor) =>
    judgeBreaches(judgePod(pod, context, isAskedFor), { platform, namespace, labels });
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
