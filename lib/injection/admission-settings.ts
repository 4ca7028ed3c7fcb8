import type { AdmissionRequest } from '../admission/review.ts';
import type { Platform } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import type { Fault } from '../reading/fault.ts';
import type { ReadTasks } from './declared-tasks.ts';
import type { AcceptedProfiles, PublishedProfile } from './profile.ts';
import type { JudgeContext, Occasion } from './rules/rule.ts';
import type { ReadSurroundings } from './surroundings.ts';

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

/** What the rules are told of a request; the tasks of one that changes a pod do not count. */
export const contextOf = (
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

const acceptedBy = ({ profiles, published }: PodAdmissionSettings): AcceptedProfiles => {
  const own = published();
  return new Map([...profiles(), ...(own ? [[own.hash, own.profile] as const] : [])]);
};
