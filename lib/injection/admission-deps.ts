import type { AdmissionRequest } from '../admission/review.ts';
import type { Platform } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import type { FieldError } from '../schema/field-error.ts';
import type { ReadTasks } from './declared-tasks.ts';
import type { AcceptedTemplates, PublishedTemplate } from './injection-template.ts';
import type { RuleContext, Phase } from './rules/rule.ts';
import type { ReadPodContext } from './pod-context.ts';

/** What is said of the tasks of a new pod beside the rules: breaches refuse it, warnings are told. */
export type EvaluatePolicy = (asked: {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly tasks: readonly Task[];
}) => Promise<{ readonly faults: readonly FieldError[]; readonly warnings: readonly string[] }>;

export type PodAdmissionDeps = {
  readonly platform: Platform;
  /** What is injected at this moment: {@link profileOf} of the platform. Nothing: not known yet. */
  readonly published: () => PublishedTemplate | undefined;
  /** Profiles that the cluster knows at this moment; ours is accepted besides. */
  readonly templates: () => AcceptedTemplates;
  readonly readTasks: ReadTasks;
  /** Absent: the rules are all. */
  readonly evaluatePolicy?: EvaluatePolicy;
  /** Absent: there is no cluster to ask. */
  readonly readPodContext?: ReadPodContext;
};

/** What the rules are told of a request; the tasks of one that changes a pod do not count. */
export const buildRuleContext = (
  settings: PodAdmissionDeps,
  {
    phase,
    tasks,
    request,
  }: {
    readonly phase: Phase;
    readonly tasks: readonly Task[];
    readonly request: AdmissionRequest;
  },
): RuleContext => ({
  platform: settings.platform,
  templates: listAcceptedTemplates(settings),
  phase,
  tasks,
  namespace: request.namespace,
  groups: request.user.groups,
});

const listAcceptedTemplates = ({ templates, published }: PodAdmissionDeps): AcceptedTemplates => {
  const own = published();
  return new Map([...templates(), ...(own ? [[own.hash, own.template] as const] : [])]);
};
