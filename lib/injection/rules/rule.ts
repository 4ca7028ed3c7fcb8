import type { Platform } from '../../contract/platform.ts';
import type { Pod } from '../../contract/pod.ts';
import type { Task } from '../../contract/task.ts';
import type { Fault } from '../../reading/fault.ts';
import type { AcceptedProfiles } from '../profile.ts';

/** When a rule is held against a pod; `LIVE`: by the authority, whenever a run is to start. */
export type Occasion = 'CREATE' | 'UPDATE' | 'LIVE';

export type JudgeContext = {
  readonly platform: Platform;
  readonly profiles: AcceptedProfiles;
  readonly occasion: Occasion;
  /**
   * Read afresh: on CREATE from the pod's own annotations, on a live pod from its sidecar's
   * environment; empty on UPDATE, where nothing looks at them.
   */
  readonly tasks: readonly Task[];
  /** On UPDATE. */
  readonly oldPod?: Pod;
};

/** Every breach of one rule. `rule` is set by {@link judgePod}. */
export type Judge = (pod: Pod, context: JudgeContext) => readonly Fault[];

/** One rule of docs/rules.md. */
export type Rule = {
  readonly id: string;
  /** What must be, in one sentence. */
  readonly holds: string;
  /** JSON pointers into the pod; `*` is any element. */
  readonly looksAt: readonly string[];
  readonly on: readonly Occasion[];
  readonly judge: Judge;
};
