import { allowed, errored, patched } from '../admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { Pod } from '../contract/pod.ts';
import type { Task } from '../contract/task.ts';
import type { Result } from '../reading/fault.ts';
import { contextOf, type JudgeTasks, type PodAdmissionSettings } from './admission-settings.ts';
import { consumersOf, isInjected } from './consumers.ts';
import { readDeclared } from './declared-tasks.ts';
import { patchFor } from './patch.ts';
import { planInjection } from './plan.ts';
import { refused } from './pod-refusal.ts';
import type { PublishedProfile } from './profile.ts';
import { judgePod } from './rules/rules.ts';
import { accountOf, type Surroundings } from './surroundings.ts';
import { describeExcused, judgeBreaches, type Verdict } from './verdict.ts';

/** Tasks, and what already bears our names, or every fault; then plan, then patch. */
export const mutateNew = async (
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
  const tasks = await readDeclared(pod, settings.platform, settings.readTasks);
  const pretended = judgeInput(pod, tasks, { request, settings });
  if (!tasks.ok) return refused([...tasks.faults, ...pretended.refusals]);
  if (pretended.refusals.length > 0) return refused(pretended.refusals);
  const plan = planInjection({ pod, tasks: tasks.value, platform, published, namespace });
  if (!plan.ok) return refused(plan.faults);
  const { warnings } = plan.value;
  const auditAnnotations = { ...namesOf(pod, tasks.value), profile: published.hash };
  return patched(patchFor(pod, plan.value), { warnings, auditAnnotations });
};

/** The final pod, whoever wrote last: all that it must be, and what is said of its tasks. */
export const validateNew = async (
  pod: Pod,
  request: AdmissionRequest,
  settings: PodAdmissionSettings,
): Promise<AdmissionOutcome> => {
  const { namespace } = request;
  const tasks = await readDeclared(pod, settings.platform, settings.readTasks);
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

const surroundingsOf = (
  pod: Pod,
  { namespace }: AdmissionRequest,
  { readSurroundings }: PodAdmissionSettings,
): Promise<Surroundings | undefined> =>
  readSurroundings === undefined
    ? Promise.resolve({})
    : readSurroundings({ namespace, serviceAccount: accountOf(pod) });

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

/** For the API server's audit log. */
const namesOf = (pod: Pod, tasks: readonly Task[]): Readonly<Record<string, string>> => ({
  tasks: tasks.map(({ name }) => name).join(','),
  consumers: consumersOf(pod, tasks).join(','),
});
