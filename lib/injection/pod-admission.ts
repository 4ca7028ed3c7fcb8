import { allowed, denied, errored, patched } from '../admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { Platform } from '../contract/platform.ts';
import type { Pod } from '../contract/pod.ts';
import type { Task } from '../contract/task.ts';
import { succeed, type Fault, type Result } from '../reading/fault.ts';
import { isAsked } from './asking.ts';
import {
  candidateConsumers,
  consumersOf,
  declaresTasks,
  isInjected,
  type ConsumerNames,
} from './consumers.ts';
import { patchFor } from './patch.ts';
import { planInjection } from './plan.ts';
import { readPod } from './pod-shape.ts';
import type { AcceptedProfiles, PublishedProfile } from './profile.ts';
import { breaksGlass, joiningContainers } from './rules/ephemeral-containers.ts';
import type { JudgeContext, Occasion } from './rules/rule.ts';
import { judgePod, ruleOf } from './rules/rules.ts';
import type { ReadSurroundings, Surroundings } from './surroundings.ts';
import { describeExcused, judgeBreaches, type Verdict } from './verdict.ts';

/** Reads the tasks that annotations declare; limits, catalogue and dialect are bound by the program. */
export type ReadTasks = (declared: {
  readonly annotations: Readonly<Record<string, string>>;
  readonly consumers: ConsumerNames;
}) => Promise<Result<readonly Task[]>>;

/** What is said of the tasks of a new pod beside the rules: breaches refuse it, warnings are told. */
export type JudgeTasks = (asked: {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly tasks: readonly Task[];
}) => Promise<{ readonly faults: readonly Fault[]; readonly warnings: readonly string[] }>;

export type PodAdmissionSettings = {
  readonly platform: Platform;
  /** What is injected at this moment: {@link profileOf} of the platform. Nothing: not known yet. */
  readonly published: () => PublishedProfile | undefined;
  /** Profiles that the cluster knows at this moment; ours is accepted besides. */
  readonly profiles: () => AcceptedProfiles;
  readonly readTasks: ReadTasks;
  /** Absent: the rules are all. */
  readonly judgeTasks?: JudgeTasks;
  /** Absent: there is no cluster to ask. */
  readonly readSurroundings?: ReadSurroundings;
};

/** Both webhooks for pods. Neither has a side effect, so a dry run is like any other. */
export type PodAdmission = {
  readonly mutate: (request: AdmissionRequest) => Promise<AdmissionOutcome>;
  readonly validate: (request: AdmissionRequest) => Promise<AdmissionOutcome>;
};

/** Makes the webhooks' two judgements over one platform's settings. */
export const podAdmission = (settings: PodAdmissionSettings): PodAdmission => ({
  mutate: async (request) => {
    if (!isPod(request)) return notAPod(request);
    const pod = readPod(request.object);
    if (!pod.ok) return denied(pod.faults);
    const isOurs = request.operation === 'CREATE' && declaresTasks(pod.value);
    if (!isOurs) return allowed();
    const published = settings.published();
    if (published === undefined) return errored(503, 'what is to be injected is not known yet');
    return mutatePod({ pod: pod.value, request, published }, settings);
  },
  validate: async (request) => {
    if (!isPod(request)) return notAPod(request);
    const pods = readBoth(request);
    if (!pods.ok) return denied(pods.faults);
    if (!isAsked(pods.value, settings.platform)) return allowed();
    return pods.value.occasion === 'CREATE'
      ? validateNew(pods.value.pod, request, settings)
      : validateChanged(pods.value, request, settings);
  },
});

/** Tasks, and what already bears our names, or every fault; then plan, then patch. */
const mutatePod = async (
  {
    pod,
    request,
    published,
  }: {
    readonly pod: Pod;
    readonly request: AdmissionRequest;
    readonly published: PublishedProfile;
  },
  settings: PodAdmissionSettings,
): Promise<AdmissionOutcome> => {
  const { platform } = settings;
  const { namespace } = request;
  const tasks = await readDeclared(pod, settings);
  const pretended = judgeInput(pod, tasks, { request, settings });
  if (!tasks.ok) return refused([...tasks.faults, ...pretended.refusals]);
  if (pretended.refusals.length > 0) return refused(pretended.refusals);
  const plan = planInjection({ pod, tasks: tasks.value, platform, published, namespace });
  if (!plan.ok) return refused(plan.faults);
  const { warnings } = plan.value;
  const auditAnnotations = { ...namesOf(pod, tasks.value), profile: published.hash };
  return patched(patchFor(pod, plan.value), { warnings, auditAnnotations });
};

type BothPods = {
  readonly pod: Pod;
  readonly oldPod: Pod | undefined;
  readonly occasion: Occasion;
};

/** The final pod, whoever wrote last: all that it must be, and what is said of its tasks. */
const validateNew = async (
  pod: Pod,
  request: AdmissionRequest,
  settings: PodAdmissionSettings,
): Promise<AdmissionOutcome> => {
  const { namespace } = request;
  const tasks = await readDeclared(pod, settings);
  const surroundings = await surroundingsOf(pod, request, settings);
  if (surroundings === undefined) return errored(503, UNKNOWN_ACCOUNT);
  const { labels = {}, serviceAccount } = surroundings;
  const context = {
    ...contextOf(settings, { occasion: 'CREATE', tasks: tasks.ok ? tasks.value : [], request }),
    ...(serviceAccount && { serviceAccount }),
  };
  // Without its tasks the sidecar equals nothing: that would only hide what is wrong.
  const broken = judgePod(pod, context, (id) => tasks.ok || id !== '2');
  const { refusals, excused } = judgeBreaches(broken, { ...settings, namespace, labels });
  if (!tasks.ok) return refused([...tasks.faults, ...refusals]);
  const { faults, warnings } = await judgeTasksOf({ pod, namespace, tasks: tasks.value }, settings);
  if (refusals.length + faults.length > 0) return refused([...refusals, ...faults]);
  const told = describeExcused(excused);
  return allowed({
    warnings: [...told.warnings, ...warnings],
    auditAnnotations: { ...namesOf(pod, tasks.value), ...told.auditAnnotations },
  });
};

const UNKNOWN_ACCOUNT = 'the service account of the pod could not be read: try again';

/** What must not have changed, and what joins it. */
const validateChanged = (
  { pod, oldPod }: BothPods,
  request: AdmissionRequest,
  settings: PodAdmissionSettings,
): AdmissionOutcome => {
  const context: JudgeContext = {
    ...contextOf(settings, { occasion: 'UPDATE', tasks: [], request }),
    ...(oldPod && { oldPod }),
  };
  const { namespace } = request;
  const { refusals, excused } = judgeBreaches(judgePod(pod, context), { ...settings, namespace });
  if (refusals.length > 0) return refused(refusals);
  const told = [describeExcused(excused), brokenGlass(pod, context, request)];
  return allowed({
    warnings: told.flatMap(({ warnings }) => warnings),
    auditAnnotations: Object.assign({}, ...told.map((each) => each.auditAnnotations)) as Names,
  });
};

type Names = Readonly<Record<string, string>>;

/** Nobody joins a pod unseen: its user reads it, and the audit log keeps who it was. */
const brokenGlass = (
  pod: Pod,
  context: JudgeContext,
  { user }: AdmissionRequest,
): ReturnType<typeof describeExcused> => {
  const joining = joiningContainers(pod, context.oldPod).map(({ container }) => container.name);
  if (joining.length === 0 || !breaksGlass(context)) return { warnings: [], auditAnnotations: {} };
  return {
    warnings: [
      `break-glass: the pod gets no further credentials with ${joining.join(', ')} in it; replace it afterwards`,
    ],
    auditAnnotations: { 'break-glass': `${user.name} adds ${joining.join(', ')}` },
  };
};

const surroundingsOf = (
  pod: Pod,
  { namespace }: AdmissionRequest,
  { readSurroundings }: PodAdmissionSettings,
): Promise<Surroundings | undefined> =>
  readSurroundings === undefined
    ? Promise.resolve({})
    : readSurroundings({ namespace, serviceAccount: accountOf(pod) });

const contextOf = (
  settings: PodAdmissionSettings,
  {
    occasion,
    tasks,
    request,
  }: {
    readonly occasion: Occasion;
    readonly tasks: readonly Task[];
    readonly request: AdmissionRequest;
  },
): JudgeContext => ({
  platform: settings.platform,
  profiles: acceptedBy(settings),
  occasion,
  tasks,
  namespace: request.namespace,
  groups: request.user.groups,
});

/** The ServiceAccount plugin has written it by now, where the pod's author had not. */
const accountOf = (pod: Pod): string => pod.spec?.serviceAccountName ?? 'default';

const judgeTasksOf = async (
  asked: { readonly pod: Pod; readonly namespace: string; readonly tasks: readonly Task[] },
  { judgeTasks }: PodAdmissionSettings,
): ReturnType<JudgeTasks> => {
  const { pod, namespace, tasks } = asked;
  if (judgeTasks === undefined || tasks.length === 0) return { faults: [], warnings: [] };
  return judgeTasks({ namespace, serviceAccount: accountOf(pod), tasks });
};

/**
 * Before injection nothing may bear our names (rule 1); what was injected before must be ours still
 * (rules 1 and 2). All else is judged on the final pod, since other mutators may yet mend it.
 */
const judgeInput = (
  pod: Pod,
  tasks: Result<readonly Task[]>,
  {
    request,
    settings,
  }: { readonly request: AdmissionRequest; readonly settings: PodAdmissionSettings },
): Verdict => {
  const read = tasks.ok ? tasks.value : [];
  const context = contextOf(settings, { occasion: 'CREATE', tasks: read, request });
  const hasEquality = isInjected(pod) && tasks.ok;
  const faults = judgePod(pod, context, (id) => id === '1' || (id === '2' && hasEquality));
  return judgeBreaches(faults, { ...settings, namespace: request.namespace });
};

const readDeclared = (
  pod: Pod,
  { platform, readTasks }: PodAdmissionSettings,
): Promise<Result<readonly Task[]>> =>
  declaresTasks(pod)
    ? readTasks({
        annotations: pod.metadata?.annotations ?? {},
        consumers: candidateConsumers(pod, platform),
      })
    : Promise.resolve(succeed([]));

const acceptedBy = ({ profiles, published }: PodAdmissionSettings): AcceptedProfiles => {
  const own = published();
  return new Map([...profiles(), ...(own ? [[own.hash, own.profile] as const] : [])]);
};

const isPod = ({ kind }: AdmissionRequest): boolean =>
  kind.group === '' && kind.version === 'v1' && kind.kind === 'Pod';

const notAPod = ({ kind }: AdmissionRequest): AdmissionOutcome =>
  errored(400, `expected a Pod of v1, got ${kind.group}/${kind.version} ${kind.kind}`);

const readBoth = (request: AdmissionRequest): Result<BothPods> => {
  const occasion = OCCASIONS.find((each) => each === request.operation);
  if (occasion === undefined) {
    const expected = OCCASIONS.join(' or ');
    return {
      ok: false,
      faults: [{ path: '/request/operation', expected, got: request.operation }],
    };
  }
  const pod = readPod(request.object);
  const oldPod = request.oldObject === undefined ? succeed(undefined) : readPod(request.oldObject);
  if (!pod.ok) return pod;
  return oldPod.ok ? succeed({ pod: pod.value, oldPod: oldPod.value, occasion }) : oldPod;
};

const OCCASIONS = ['CREATE', 'UPDATE'] as const;

/** For the API server's audit log. */
const namesOf = (pod: Pod, tasks: readonly Task[]): Readonly<Record<string, string>> => ({
  tasks: tasks.map(({ name }) => name).join(','),
  consumers: consumersOf(pod, tasks).join(','),
});

/** Every breach, then what to do instead, once for each rule. */
const refused = (faults: readonly Fault[]): AdmissionOutcome => {
  const rules = [...new Set(faults.map(({ rule }) => rule ?? 'declaration'))];
  const advice = rules.flatMap((id) => {
    const rule = ruleOf(id);
    return rule === undefined ? [] : [`rule ${id}: ${rule.message}`];
  });
  return denied(faults, { auditAnnotations: { refused: rules.join(',') } }, advice);
};
