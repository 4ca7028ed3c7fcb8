import type { AdmissionRequest } from '../admission/review.ts';
import type { Platform } from '../contract/platform.ts';
import type { Pod } from '../contract/pod.ts';
import type { Task } from '../contract/task.ts';
import { succeed, type Result } from '../schema/field-error.ts';
import type { FindUpstreamUrl } from './client-environment.ts';
import { findConsumerNames, findTemplateHash, hasTaskDeclarations } from './consumers.ts';
import type { ReadTasks } from './declared-tasks.ts';
import type { AcceptedTemplates, PublishedTemplate } from './injection-template.ts';
import { getServiceAccountName, type PodContext, type ReadPodContext } from './pod-context.ts';
import type { RuleContext } from './rules/rule.ts';
import type { EvaluatePolicy, TaskPolicyResult } from './task-policy.ts';

export type AdmissionDeps = {
  readonly platform: Platform;
  /** The injection template in use. Undefined: not known yet. */
  readonly published: () => PublishedTemplate | undefined;
  /** Templates that the cluster has published; the one in use is accepted too. */
  readonly templates: () => AcceptedTemplates;
  /** Loads the published templates again if this hash is unknown. Absent: there are no others. */
  readonly refreshIfUnknown?: (hash: string) => Promise<void>;
  readonly readTasks: ReadTasks;
  /** Absent: there is no cluster to ask. */
  readonly findUpstreamUrl?: FindUpstreamUrl;
  /** Absent: only the rules decide. */
  readonly evaluatePolicy?: EvaluatePolicy;
  /** Absent: there is no cluster to ask. */
  readonly readPodContext?: ReadPodContext;
};

/** One request with what the first steps read of it. */
export type Admission = {
  readonly request: AdmissionRequest;
  readonly phase: 'CREATE' | 'UPDATE';
  readonly pod: Pod;
  readonly oldPod: Pod | undefined;
  readonly tasks: Result<readonly Task[]>;
  /** In a preview: mutation was refused, so there is no sidecar to compare. */
  readonly isInjectionOmitted?: boolean;
};

/** Another replica may have published the template of an injected pod a moment ago. */
export const refreshTemplates = async (
  { pod }: Pick<Admission, 'pod'>,
  { refreshIfUnknown }: AdmissionDeps,
): Promise<void> => {
  const hash = findTemplateHash(pod);
  if (hash !== undefined) await refreshIfUnknown?.(hash);
};

/** Reads the tasks that a new pod declares. An update does not change what was admitted. */
export const readTasks = (
  { phase, pod }: Pick<Admission, 'phase' | 'pod'>,
  deps: AdmissionDeps,
): Promise<Result<readonly Task[]>> =>
  phase === 'CREATE' && hasTaskDeclarations(pod)
    ? deps.readTasks({
        annotations: pod.metadata?.annotations ?? {},
        consumers: findConsumerNames(pod, deps.platform),
      })
    : Promise.resolve(succeed([]));

/**
 * Reads what decides about a new pod beside the pod itself.
 *
 * @returns undefined if the API server gave no answer about the service account
 */
export const readPodContext = async (
  { phase, pod, request: { namespace } }: Admission,
  deps: AdmissionDeps,
): Promise<PodContext | undefined> =>
  phase === 'UPDATE' || deps.readPodContext === undefined
    ? {}
    : deps.readPodContext({ namespace, serviceAccount: getServiceAccountName(pod) });

/** Evaluates the policy for the tasks of a new pod. A canary is never started, whatever policy says. */
export const evaluatePolicy = async (
  { pod, request: { namespace }, tasks }: Admission,
  deps: AdmissionDeps,
): Promise<TaskPolicyResult> => {
  const decided = tasks.ok ? tasks.value.filter(({ canary }) => canary !== true) : [];
  return deps.evaluatePolicy === undefined || decided.length === 0
    ? { faults: [], warnings: [] }
    : deps.evaluatePolicy({
        namespace,
        serviceAccount: getServiceAccountName(pod),
        tasks: decided,
      });
};

/** What the rules know about the request. Labels are for exemptions only. */
export const buildRuleContext = (
  { phase, request, oldPod, tasks }: Admission,
  { platform, templates, published }: AdmissionDeps,
  { serviceAccount }: PodContext = {},
): RuleContext => {
  const own = published();
  return {
    platform,
    templates: new Map([...templates(), ...(own ? [[own.hash, own.template] as const] : [])]),
    phase,
    tasks: tasks.ok ? tasks.value : [],
    namespace: request.namespace,
    groups: request.user.groups,
    user: request.user.name,
    ...(phase === 'UPDATE' && oldPod && { oldPod }),
    ...(serviceAccount && { serviceAccount }),
  };
};
