/** A declared task, normalised: what the sidecar's environment carries and policy decides about. */
export type Task = {
  /** DNS label. */
  readonly name: string;
  readonly provider: 'aws';
  /** Role ARN. */
  readonly role: string;
  readonly allow: readonly TaskStatement[];
  readonly params: Readonly<Record<string, ParamRule>>;
  readonly lifetimeSeconds: number;
  readonly purpose?: string;
  readonly delivery: 'vend';
  /** Names of the consumers that may run it; never empty. */
  readonly containers: readonly string[];
  readonly default: boolean;
  /** Starting it ends the consumer's other runs. */
  readonly exclusive: boolean;
};

export type TaskStatement = {
  /** `service:Action` in its proper case; may end in or contain `*` (the short form). */
  readonly actions: readonly string[];
  /** ARNs, whose resource part may hold `*`, `?` and `{param}`. */
  readonly resources: readonly string[];
};

/** The whole value must match `pattern` (RE2 syntax) and be at most `maxLength` characters. */
export type ParamRule = {
  readonly pattern: string;
  readonly maxLength: number;
};

/** What admission fixed for a pod, and the only source from which tasks are read afterwards. */
export type AdmittedTasks = {
  /** Consumer containers in the order of their volumes. */
  readonly consumers: readonly string[];
  readonly tasks: readonly Task[];
};

export const MAX_TASKS = 16;
/** Pairs of a concrete action and a resource, of one task. */
export const MAX_PAIRS = 256;
export const MAX_TASK_BYTES = 4096;
/** The kernel's limit for one environment string, name and terminator included. */
export const MAX_ENV_BYTES = 128 * 1024;
/** Characters, of a declared task's purpose and of a run's. */
export const MAX_PURPOSE_LENGTH = 256;
export const DEFAULT_PARAM_MAX_LENGTH = 64;
