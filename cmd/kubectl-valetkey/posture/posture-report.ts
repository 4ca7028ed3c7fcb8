import type { TaskStatement } from '../../../lib/contract/task.ts';
import type { CompiledPolicies } from '../../../lib/policy/compiled-policies.ts';
import { readUpstreamName, type Upstreams } from '../../../lib/policy/upstream-pairs.ts';
import { readToolPattern } from '../../../lib/policy/upstream-levels.ts';
import type { Upstream } from '../../../lib/upstreams/upstream.ts';
import { listExceptions, STATE_TEXT, type ListedException } from '../vend-report.ts';
import type { DeclaredTask, DeclaredTasks } from './declared-tasks.ts';
import type { Coverage } from './record-coverage.ts';
import {
  formatKey,
  NO_RUNS,
  sumUpTasks,
  type RecordedUsage,
  type TaskKey,
  type TaskUsage,
} from './recorded-usage.ts';
import { buildSmallerAllow, evaluateRights, type Right, type RightState } from './right-usage.ts';

/** Codes of findings, each with its severity. They do not change after a release. */
export const POSTURE_CODES = {
  right_unused: 'warning',
  task_never_run: 'warning',
  upstream_unused: 'warning',
  permit_unused: 'warning',
  vend_exception: 'note',
  tool_unpinned: 'note',
  fixed_key: 'note',
} as const;
type PostureCode = keyof typeof POSTURE_CODES;

export type PostureFinding = {
  readonly severity: 'warning' | 'note';
  readonly code: PostureCode;
  /** What it is about: `task research/reporter summarize`, `Upstream wiki`. */
  readonly object: string;
  readonly message: string;
};

/** A declared task with what its runs used. */
export type TaskPosture = TaskKey &
  Pick<DeclaredTask, 'pods' | 'podCount' | 'oldestPodAt'> &
  Pick<DeclaredTask['declaration'], 'provider' | 'delivery' | 'role'> &
  Omit<TaskUsage, 'used'> & {
    readonly isCanary: boolean;
    /** Of runs in the window. */
    readonly state: RightState;
    /** Why a right that no record shows may have been used all the same; empty: it was not. */
    readonly reasons: readonly string[];
    /** Whether the reasons are missing records; calls with vended keys have none. */
    readonly isIncomplete: boolean;
    readonly rights: readonly Right[];
    /** The statements without the unused rights; absent: none is unused. */
    readonly smallerAllow?: readonly TaskStatement[];
  };

export type PostureReport = {
  readonly coverage: Coverage;
  readonly tasks: readonly TaskPosture[];
  /** Tasks with runs that no pod declares any more. */
  readonly undeclared: readonly (TaskKey & Pick<TaskUsage, 'runs' | 'live' | 'lastIssuedAt'>)[];
  readonly upstreams: readonly { readonly name: string; readonly state: RightState }[];
  readonly permits: readonly { readonly policy: string; readonly state: RightState }[];
  readonly exceptions: readonly ListedException[];
  readonly findings: readonly PostureFinding[];
  /** What could not be read, one line each. */
  readonly problems: readonly string[];
};

export type PostureInputs = {
  readonly coverage: Coverage;
  readonly usage: RecordedUsage;
  readonly declared: DeclaredTasks;
  /** Of one namespace; absent: the whole cluster. */
  readonly namespace?: string;
  /** Absent: not asked for, or not readable. */
  readonly policies?: CompiledPolicies;
  readonly upstreams?: Upstreams;
  readonly problems: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/** Compares what is declared with what the records show as used. */
export const buildPostureReport = (inputs: PostureInputs): PostureReport => {
  const { coverage, usage, declared, namespace, policies, upstreams, problems, now } = inputs;
  const used = sumUpTasks(usage, coverage.window);
  const tasks = declared.tasks.map((task) => evaluateTask(task, used.get(formatKey(task)), inputs));
  const known = new Set(declared.tasks.map(formatKey));
  const undeclared = [...used.values()]
    .filter(
      (task) => !known.has(formatKey(task)) && [undefined, task.namespace].includes(namespace),
    )
    .map(({ runs, live, lastIssuedAt, ...task }) => ({ ...toKey(task), runs, live, lastIssuedAt }));
  const upstreamStates = listUpstreams(upstreams, inputs);
  const permits = listPermits(policies, inputs);
  const exceptions = policies === undefined ? [] : listExceptions(policies, now);
  return {
    coverage,
    tasks,
    undeclared,
    permits,
    exceptions,
    problems,
    upstreams: upstreamStates,
    findings: [
      ...tasks.flatMap((task) => listTaskFindings(task, coverage)),
      ...upstreamStates.filter(isUnused).map(({ name }) => ({
        ...finding('upstream_unused', `Upstream ${name}`),
        message: `no run used it since ${formatSince(coverage)}${formatNaming(name, declared)}`,
      })),
      ...permits.filter(isUnused).map(({ policy }) => ({
        ...finding('permit_unused', `policy ${policy}`),
        message: `it determined no recorded decision since ${formatSince(coverage)}`,
      })),
      ...exceptions.map((each) => describeException(each, permits)),
      ...listUnpinned(declared.tasks, upstreams),
      ...declared.fixedKeyPods.map((pod) => ({
        ...finding('fixed_key', `Pod ${pod}`),
        message: 'its gateway takes the UID of the pod as a key',
      })),
    ],
  };
};

const toKey = ({ namespace, serviceAccount, task }: TaskKey): TaskKey => ({
  namespace,
  serviceAccount,
  task,
});

const finding = (code: PostureCode, object: string) => ({
  severity: POSTURE_CODES[code],
  code,
  object,
});

const isUnused = ({ state }: { readonly state: RightState }): boolean => state === 'unused';

const formatSince = ({ window }: Coverage): string => new Date(window.since).toISOString();

const VEND =
  'with delivery: vend, calls go to the cloud with its own keys, and only the log of the cloud shows them';

const evaluateTask = (
  { declaration, pods, podCount, oldestPodAt, ...rest }: DeclaredTask,
  summed: TaskUsage = NO_RUNS,
  { coverage }: PostureInputs,
): TaskPosture => {
  const { used, ...runs } = summed;
  const hasRun = runs.runs + runs.live > 0;
  const isVended = declaration.delivery === 'vend';
  const missing = [
    ...(coverage.gaps.length > 0 ? ['records of the period are missing'] : []),
    ...(isVended ? [] : listMissingCalls(runs)),
  ];
  const reasons = [
    ...missing,
    ...(isVended ? [VEND] : []),
    ...(hasRun && runs.runs === 0 ? ['no run has ended yet'] : []),
  ];
  const rights = evaluateRights(declaration.allow, used, reasons.length === 0);
  const smallerAllow = hasRun ? buildSmallerAllow(declaration.allow, rights) : undefined;
  const { provider, delivery, role, canary } = declaration;
  return {
    ...toKey(rest),
    provider,
    delivery,
    role,
    pods,
    podCount,
    oldestPodAt,
    ...runs,
    isCanary: canary === true,
    state: evaluateUse(hasRun, coverage),
    reasons,
    isIncomplete: missing.length > 0,
    rights,
    ...(smallerAllow !== undefined && { smallerAllow }),
  };
};

const listMissingCalls = ({ unrecorded, unlisted }: Omit<TaskUsage, 'used'>): readonly string[] => [
  ...(unrecorded === 0 ? [] : [`${formatRuns(unrecorded)} without a record of all calls`]),
  ...(unlisted === 0 ? [] : [`${formatRuns(unlisted)} that used more than the records list`]),
];

export const formatRuns = (count: number): string => (count === 1 ? '1 run' : `${count} runs`);

/** What no record shows is unused only if no record is missing. */
const evaluateUse = (isUsed: boolean, { gaps }: Coverage): RightState => {
  if (isUsed) return 'used';
  return gaps.length === 0 ? 'unused' : 'unknown';
};

const listTaskFindings = (task: TaskPosture, coverage: Coverage): readonly PostureFinding[] => {
  const object = `task ${formatKey(task)}`;
  // A canary is there not to be used.
  if (task.isCanary) return [];
  if (task.state === 'unused') {
    const oldest = Number.isNaN(task.oldestPodAt)
      ? ''
      : `; its oldest pod is of ${new Date(task.oldestPodAt).toISOString()}`;
    const message = `no run since ${formatSince(coverage)}${oldest}`;
    return [{ ...finding('task_never_run', object), message }];
  }
  return task.rights.filter(isUnused).map(({ action, resource }) => ({
    ...finding('right_unused', object),
    message: `${action} on ${resource}: used by none of ${formatRuns(task.runs)}`,
  }));
};

const listUpstreams = (
  upstreams: Upstreams = new Map(),
  { usage, coverage }: PostureInputs,
): PostureReport['upstreams'] => {
  const used = new Set(usage.issued.map(({ role }) => role.split('/', 1)[0]));
  return [...upstreams.keys()]
    .toSorted()
    .map((name) => ({ name, state: evaluateUse(used.has(name), coverage) }));
};

const formatNaming = (name: string, { tasks }: DeclaredTasks): string => {
  const naming = tasks.filter(
    ({ declaration }) => declaration.provider !== 'aws' && readUpstreamName(declaration) === name,
  );
  return naming.length === 0
    ? ', and no pod has a task for it'
    : `; tasks for it: ${naming.map(formatKey).join(', ')}`;
};

/** Forbids are no rights: one that never applied has done its work. */
const listPermits = (
  policies: CompiledPolicies | undefined,
  { usage, coverage }: PostureInputs,
): PostureReport['permits'] =>
  Object.entries(policies?.withUnknowns ?? {})
    .filter(([, { effect }]) => effect === 'permit')
    .map(([policy]) => {
      const state = evaluateUse(usage.policies.has(policy), coverage);
      return { policy, state: isUnused({ state }) && !usage.hasAllPolicies ? 'unknown' : state };
    });

const describeException = (
  { policy, until, reason, state }: ListedException,
  permits: PostureReport['permits'],
): PostureFinding => {
  const use = permits.find((each) => each.policy === policy)?.state ?? 'unknown';
  return {
    ...finding('vend_exception', `policy ${policy}`),
    message: `@until("${until}"), ${STATE_TEXT[state]}, ${USE_TEXT[use]}: ${reason}`,
  };
};

const USE_TEXT: Readonly<Record<RightState, string>> = {
  used: 'used',
  unused: 'not used',
  unknown: 'use unknown',
};

/** Lists what tasks may call of MCP servers whose tools are not pinned. */
const listUnpinned = (
  tasks: readonly DeclaredTask[],
  upstreams: Upstreams = new Map(),
): readonly PostureFinding[] =>
  tasks.flatMap((task) => {
    const { declaration } = task;
    const upstream = upstreams.get(readUpstreamName(declaration));
    if (declaration.provider !== 'http' || !isUnpinned(upstream)) return [];
    const patterns = declaration.allow.flatMap(({ resources }) =>
      resources.flatMap((resource) => readToolPattern(resource) ?? []),
    );
    if (patterns.length === 0) return [];
    const message = `Upstream ${upstream.name} pins no tools; the task names ${[...new Set(patterns)].join(', ')}`;
    return [{ ...finding('tool_unpinned', `task ${formatKey(task)}`), message }];
  });

const isUnpinned = (upstream: Upstream | undefined): upstream is Upstream =>
  upstream?.kind === 'http' && upstream.rules.protocol === 'mcp' && upstream.tools.length === 0;
