import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Minted } from '../../lib/catalog/minting-actions.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { Task } from '../../lib/contract/task.ts';
import { buildSpiffeId } from '../../lib/grant/spiffe-id.ts';
import { evaluateAdmissionPolicy } from '../../lib/policy/admission-decision.ts';
import type {
  AdmissionPolicyRequest,
  PolicyDecision,
  RunPolicyRequest,
} from '../../lib/policy/decision.ts';
import type { CompiledPolicies } from '../../lib/policy/compiled-policies.ts';
import { evaluateRunPolicy } from '../../lib/policy/run-decision.ts';
import type { Upstreams } from '../../lib/policy/upstream-pairs.ts';
import type { FieldError } from '../../lib/schema/field-error.ts';
import { buildSessionPolicy } from '../../lib/scope/aws/session-policy.ts';
import { expandPairs } from '../../lib/task/pairs.ts';
import { bindParams } from '../../lib/task/params.ts';
import type { Upstream } from '../../lib/upstreams/upstream.ts';
import {
  explainUpstream,
  findExplainedUpstream,
  type ExplainedUpstream,
} from './explained-upstream.ts';
import { explainVend, type VendExplanation } from './vend-report.ts';

/** A task with its policy decisions and its session policy. */
export type ExplainedTask = {
  readonly task: Task;
  /** SPIFFE ID, the `sub` claim of its grants; absent under `trust: cluster`. */
  readonly subject?: string;
  /** Absent if no policy was evaluated: see {@link ExplainTaskOptions.policies}. */
  readonly policy?: {
    /** Decision for any run, while time, user and param values are unknown. */
    readonly anyRun: PolicyDecision;
    /** Decision for a run that starts now without a user; absent if its params are unknown. */
    readonly now?: PolicyDecision;
    /** Present if only an exception permits the task. */
    readonly vend?: VendExplanation;
  };
  /** Actions whose effect does not end with the run, because the deadline does not apply to it. */
  readonly outlivesRun: readonly { readonly action: string; readonly mints: Minted }[];
  /** Who enforces what the task allows; the gateway alone where there is no session at a cloud. */
  readonly enforcedBy: 'cloud' | 'gateway';
  /** Absent for provider `aws`, and where it is not known. */
  readonly upstream?: ExplainedUpstream;
  /** Of provider `http`: whether the UID of the pod is a key of its clients on loopback, and why not. */
  readonly key?: ExplainedKey;
  /** Only of provider `aws`. */
  readonly sessionPolicy?: object;
  /** Errors in the given params, and what the task names outside its Upstream. */
  readonly faults: readonly FieldError[];
};

export type ExplainedKey =
  { readonly kind: 'fixed' } | { readonly kind: 'loopbackToken'; readonly why: string };

export type ExplainTaskOptions = {
  readonly platform: Platform;
  /** Absent under `trust: cluster`, and offline if no file contains a TaskPolicy. */
  readonly policies?: CompiledPolicies;
  /** Absent: they are not known, so that tasks that name one are not evaluated. */
  readonly upstreams?: Upstreams;
  readonly loadCatalog: LoadCatalog;
  readonly principal: RunPolicyRequest['principal'];
  /** Empty: none was given, and params appear as placeholders. */
  readonly params: Readonly<Record<string, string>>;
  /** Absent: there is none. */
  readonly fixedKeyObstacle?: string;
  /** Absent: unknown. */
  readonly podIps?: readonly string[];
  /** Milliseconds since the epoch. */
  readonly now: number;
};

/** Explains one task with the code that decides about its runs and builds their session policies. */
export const explainTask = async (
  task: Task,
  options: ExplainTaskOptions,
): Promise<ExplainedTask> => {
  const { platform, principal, now } = options;
  const bound = selectParams(task, options.params);
  const { upstream, faults } = findExplainedUpstream(task, options.upstreams);
  const known = { ...(bound.params && { params: bound.params }), ...(upstream && { upstream }) };
  const policy = await evaluateDecisions(task, known, options);
  const placeholders = Object.fromEntries(
    Object.keys(task.params).map((name) => [name, `{${name}}`]),
  );
  const buildScope = (): object =>
    JSON.parse(
      buildSessionPolicy({
        task,
        params: bound.params ?? placeholders,
        cloud: platform.cloud,
        deadline: now + task.lifetimeSeconds * 1000,
        podIps: options.podIps ?? ['{pod IP}'],
      }),
    ) as object;
  const isAws = task.provider === 'aws';
  const { trustDomain } = platform.authority ?? {};
  const { namespace, serviceAccount } = principal;
  return {
    task,
    ...(trustDomain !== undefined && {
      subject: buildSpiffeId({ trustDomain, namespace, serviceAccount, task: task.name }),
    }),
    ...(policy !== undefined && { policy }),
    outlivesRun: isAws ? await listOutliving(task, options.loadCatalog) : [],
    enforcedBy: isAws ? 'cloud' : 'gateway',
    ...(upstream && {
      upstream: explainUpstream(
        upstream,
        task.allow.flatMap(({ resources }) => resources),
      ),
    }),
    ...(task.provider === 'http' && { key: explainKey(options) }),
    ...(isAws && { sessionPolicy: buildScope() }),
    faults: [...bound.faults, ...faults],
  };
};

const explainKey = ({ fixedKeyObstacle: why }: ExplainTaskOptions): ExplainedKey =>
  why === undefined ? { kind: 'fixed' } : { kind: 'loopbackToken', why };

/** Lists minting actions of a task that some run could get. A task that cannot be expanded gets none. */
const listOutliving = async (
  task: Task,
  loadCatalog: LoadCatalog,
): Promise<ExplainedTask['outlivesRun']> => {
  const pairs = await expandPairs(task, loadCatalog);
  if (!pairs.ok) return [];
  const actions = new Set(pairs.value.map(({ action }) => action));
  return [...actions].flatMap(({ name, mints }) => (mints ? [{ action: name, mints }] : []));
};

/** Selects and binds the given params that the task declares; without any, they stay placeholders. */
const selectParams = (
  task: Task,
  given: Readonly<Record<string, string>>,
): {
  readonly params?: Readonly<Record<string, string>>;
  readonly faults: readonly FieldError[];
} => {
  const declared = Object.entries(given).filter(([name]) => Object.hasOwn(task.params, name));
  if (declared.length === 0 && Object.keys(task.params).length > 0) return { faults: [] };
  const bound = bindParams(task, Object.fromEntries(declared));
  if (bound.ok) return { params: bound.value, faults: [] };
  return { faults: bound.faults.map((fault) => ({ ...fault, source: `task ${task.name}` })) };
};

/** What is known of a run: absent params are placeholders; without its Upstream, a task is not evaluated. */
type KnownInputs = {
  readonly params?: Readonly<Record<string, string>>;
  readonly upstream?: Upstream;
};

/** Builds what policy is asked about a task, apart from the details of a run. */
export const buildPolicyRequest = (
  task: Task,
  upstream: Upstream | undefined,
  { platform, principal, now }: Pick<ExplainTaskOptions, 'platform' | 'principal' | 'now'>,
): AdmissionPolicyRequest => {
  const { dialect, sourceRestriction } = platform.cloud;
  const { vend } = platform.policy;
  const cloud = { sourceRestriction: sourceRestriction.mode, dialect };
  return { principal, task, ...cloud, vend, atMs: now, ...(upstream && { upstream }) };
};

const evaluateDecisions = async (
  task: Task,
  { params, upstream }: KnownInputs,
  { platform, policies, loadCatalog, principal, now }: ExplainTaskOptions,
): Promise<ExplainedTask['policy']> => {
  // The Upstream assigns the access levels of its tasks.
  const isKnown = task.provider === 'aws' || upstream !== undefined;
  if (policies === undefined || !isKnown) return undefined;
  const deps = { policies, loadCatalog };
  const request = buildPolicyRequest(task, upstream, { platform, principal, now });
  const anyRun = await evaluateAdmissionPolicy(deps, request);
  const vending = await explainVend(anyRun, deps, request);
  const permits = vending && { vend: vending };
  if (params === undefined) return { anyRun, ...permits };
  const details = { params, approvals: [] };
  return { anyRun, now: await evaluateRunPolicy(deps, { ...request, ...details }), ...permits };
};
