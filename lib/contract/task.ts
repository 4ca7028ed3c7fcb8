/**
 * `vend`: the consumer gets the cloud's keys. `sign`: the sidecar signs each request, and the consumer
 * holds local keys that no cloud accepts.
 */
export const DELIVERIES = ['vend', 'sign'] as const;
export type Delivery = (typeof DELIVERIES)[number];

/**
 * `aws`: credentials of a role. `http`: the secret of an Upstream, which the gateway of the sidecar
 * presents. `postgres`: a role of a database server, with which the gateway logs in.
 */
export const PROVIDERS = ['aws', 'http', 'postgres'] as const;
export type Provider = (typeof PROVIDERS)[number];

/** Clients whose environment injection sets for a task of provider `http`. */
export const HTTP_CLIENTS = ['openai', 'anthropic', 'git', 'vault'] as const;
export type HttpClient = (typeof HTTP_CLIENTS)[number];

/** Whether another agent may start the task by delegation, or must. A task that says nothing refuses. */
export const DELEGATED = ['allowed', 'required'] as const;
export type Delegated = (typeof DELEGATED)[number];

/** What a run may use: calls; bytes of bodies that reach the consumer; denied calls; tokens of model APIs. */
export const BUDGET_KINDS = ['calls', 'bytesOut', 'denials', 'tokens'] as const;
export type BudgetKind = (typeof BUDGET_KINDS)[number];
export type Budget = Readonly<Partial<Record<BudgetKind, number>>>;

/** A declared task, normalized. Part of the sidecar's environment, and the subject of policy. */
export type Task = {
  /** DNS label. */
  readonly name: string;
  readonly provider: Provider;
  /** Of provider `aws`: role ARN; of `http`: name of an Upstream; of `postgres`: `<Upstream>/<template role>`. */
  readonly role: string;
  readonly allow: readonly TaskStatement[];
  readonly params: Readonly<Record<string, ParamRule>>;
  readonly lifetimeSeconds: number;
  readonly purpose?: string;
  readonly delivery: Delivery;
  /** No agent has a reason to start it: any start is refused, and revokes the pod. Absent: an ordinary task. */
  readonly canary?: true;
  /** Of each run. Enforced with delivery `sign` only. */
  readonly budget?: Budget;
  /** Only of provider `http`. */
  readonly client?: HttpClient;
  /** Names of the consumers that may run it; at least one. */
  readonly containers: readonly string[];
  readonly default: boolean;
  /** Starting it ends the consumer's other runs. */
  readonly exclusive: boolean;
  /** Absent: refused. */
  readonly delegated?: Delegated;
};

/** Every action with every resource. Policy evaluates, and the session policy allows, exactly these pairs. */
export type TaskStatement = {
  /** `service:Action` in canonical case; of provider `http`, `http:<METHOD>`. In a declaration also short forms with `*`; in a task none. */
  readonly actions: readonly string[];
  /** `*`, or ARNs whose resource part may contain `*`, `?` and `{param}`; of `http`, URLs whose path may. */
  readonly resources: readonly string[];
};

/** The whole value must match `pattern` (RE2 syntax) and be at most `maxLength` characters. */
export type ParamRule = {
  readonly pattern: string;
  readonly maxLength: number;
};

/** The tasks that admission accepted for a pod. After admission, nothing else is read as a task. */
export type AdmittedTasks = {
  /** Consumer containers in the order of their volumes. */
  readonly consumers: readonly string[];
  readonly tasks: readonly Task[];
};

export const MAX_TASKS = 16;
/** Pairs of a concrete action and a resource in one task. */
export const MAX_PAIRS = 256;
export const MAX_TASK_BYTES = 4096;
/** The kernel's limit for one environment string, including name and terminator. */
export const MAX_ENV_BYTES = 128 * 1024;
/** Characters of a purpose, of a task and of a run. */
export const MAX_PURPOSE_LENGTH = 256;
export const DEFAULT_PARAM_MAX_LENGTH = 64;
