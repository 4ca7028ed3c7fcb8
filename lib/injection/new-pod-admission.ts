import { allowed, errored, patched } from '../admission/outcome.ts';
import type { AdmissionOutcome, AdmissionRequest } from '../admission/review.ts';
import type { Pod } from '../contract/pod.ts';
import type { Task } from '../contract/task.ts';
import type { Result } from '../schema/field-error.ts';
import { buildRuleContext, type EvaluatePolicy, type PodAdmissionDeps } from './admission-deps.ts';
import { listConsumers, isInjected } from './consumers.ts';
import { readDeclaredTasks } from './declared-tasks.ts';
import { buildPatch } from './patch.ts';
import { planInjection } from './injection-plan.ts';
import { denyPod } from './pod-denial.ts';
import type { PublishedTemplate } from './injection-template.ts';
import { evaluateRules } from './rules/rules.ts';
import { getServiceAccountName, type PodContext } from './pod-context.ts';
import { buildExemptionNotes, applyExemptions, type ExemptionResult } from './exemptions.ts';

/** Tasks, and what already bears our names, or every fault; then plan, then patch. */
export const mutateNewPod = async (
  {
    pod,
    request,
    published,
  }: {
    readonly pod: Pod;
    readonly request: AdmissionRequest;
    readonly published: PublishedTemplate;
  },
  settings: PodAdmissionDeps,
): Promise<AdmissionOutcome> => {
  const { platform } = settings;
  const { namespace } = request;
  const tasks = await readDeclaredTasks(pod, settings.platform, settings.readTasks);
  const reservedNames = checkReservedNames(pod, tasks, { request, settings });
  if (!tasks.ok) return denyPod([...tasks.faults, ...reservedNames.refusals]);
  if (reservedNames.refusals.length > 0) return denyPod(reservedNames.refusals);
  const plan = planInjection({ pod, tasks: tasks.value, platform, published, namespace });
  if (!plan.ok) return denyPod(plan.faults);
  const { warnings } = plan.value;
  const auditAnnotations = { ...buildAuditAnnotations(pod, tasks.value), profile: published.hash };
  return patched(buildPatch(pod, plan.value), { warnings, auditAnnotations });
};

/** The final pod, whoever wrote last: all that it must be, and what is said of its tasks. */
export const validateNewPod = async (
  pod: Pod,
  request: AdmissionRequest,
  settings: PodAdmissionDeps,
): Promise<AdmissionOutcome> => {
  const { namespace } = request;
  const tasks = await readDeclaredTasks(pod, settings.platform, settings.readTasks);
  const surroundings = await findPodContext(pod, request, settings);
  if (surroundings === undefined) return errored(503, UNKNOWN_SERVICE_ACCOUNT);
  const { labels = {}, serviceAccount } = surroundings;
  const context = {
    ...buildRuleContext(settings, { phase: 'CREATE', tasks: tasks.ok ? tasks.value : [], request }),
    ...(serviceAccount && { serviceAccount }),
  };
  // Without its tasks the sidecar equals nothing: that would only hide what is wrong.
  const broken = evaluateRules(pod, context, (id) => tasks.ok || id !== '2');
  const { refusals, exempted } = applyExemptions(broken, { ...settings, namespace, labels });
  if (!tasks.ok) return denyPod([...tasks.faults, ...refusals]);
  const { faults, warnings } = await evaluateTaskPolicy(
    { pod, namespace, tasks: tasks.value },
    settings,
  );
  if (refusals.length + faults.length > 0) return denyPod([...refusals, ...faults]);
  const notes = buildExemptionNotes(exempted);
  return allowed({
    warnings: [...notes.warnings, ...warnings],
    auditAnnotations: { ...buildAuditAnnotations(pod, tasks.value), ...notes.auditAnnotations },
  });
};

const UNKNOWN_SERVICE_ACCOUNT = 'the service account of the pod could not be read: try again';

const findPodContext = (
  pod: Pod,
  { namespace }: AdmissionRequest,
  { readPodContext }: PodAdmissionDeps,
): Promise<PodContext | undefined> =>
  readPodContext === undefined
    ? Promise.resolve({})
    : readPodContext({ namespace, serviceAccount: getServiceAccountName(pod) });

const evaluateTaskPolicy = async (
  asked: { readonly pod: Pod; readonly namespace: string; readonly tasks: readonly Task[] },
  { evaluatePolicy }: PodAdmissionDeps,
): ReturnType<EvaluatePolicy> => {
  const { pod, namespace, tasks } = asked;
  if (evaluatePolicy === undefined || tasks.length === 0) return { faults: [], warnings: [] };
  return evaluatePolicy({ namespace, serviceAccount: getServiceAccountName(pod), tasks });
};

/**
 * Before injection nothing may bear our names (rule 1); what was injected before must be ours still
 * (rules 1 and 2). All else is judged on the final pod, since other mutators may yet mend it.
 */
const checkReservedNames = (
  pod: Pod,
  tasks: Result<readonly Task[]>,
  {
    request,
    settings,
  }: { readonly request: AdmissionRequest; readonly settings: PodAdmissionDeps },
): ExemptionResult => {
  const read = tasks.ok ? tasks.value : [];
  const context = buildRuleContext(settings, { phase: 'CREATE', tasks: read, request });
  const hasEquality = isInjected(pod) && tasks.ok;
  const faults = evaluateRules(pod, context, (id) => id === '1' || (id === '2' && hasEquality));
  return applyExemptions(faults, { ...settings, namespace: request.namespace });
};

/** For the API server's audit log. */
const buildAuditAnnotations = (
  pod: Pod,
  tasks: readonly Task[],
): Readonly<Record<string, string>> => ({
  tasks: tasks.map(({ name }) => name).join(','),
  consumers: listConsumers(pod, tasks).join(','),
});
