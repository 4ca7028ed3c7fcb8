import type { Task } from '../../lib/contract/task.ts';
import type { TaskProtocol } from '../../lib/contract/upstream.ts';
import { listNamedTools } from '../../lib/policy/upstream-levels.ts';
import {
  findTaskUpstream,
  getUpstreamProtocol,
  type Upstreams,
} from '../../lib/policy/upstream-pairs.ts';
import type { FieldError } from '../../lib/schema/field-error.ts';
import { getRevocability, type Revocability } from '../../lib/upstreams/revocability.ts';
import type { Upstream } from '../../lib/upstreams/upstream.ts';

/** What `explain`, `status` and `lint` show of an Upstream. */
export type ExplainedUpstream = {
  readonly name: string;
  readonly protocol: TaskProtocol;
  /** What the end of a run revokes. */
  readonly revocable: Revocability;
  /** What the Upstream fixes of calls: tools by their digests, models by their names. */
  readonly pinned: readonly string[];
};

/** @param resources of a task, whose tools alone are shown; absent: every tool */
export const explainUpstream = (
  upstream: Upstream,
  resources?: readonly string[],
): ExplainedUpstream => ({
  name: upstream.name,
  protocol: getUpstreamProtocol(upstream),
  revocable: getRevocability(upstream),
  pinned: listPinned(upstream, resources),
});

const listPinned = (
  upstream: Upstream,
  resources: readonly string[] | undefined,
): readonly string[] => {
  if (upstream.kind === 'postgres') return [];
  const { tools, rules } = upstream;
  const named = new Set(resources?.flatMap((resource) => listNamedTools(tools, resource)) ?? tools);
  return [
    ...[...named].map(({ name, digest, level = 'Write' }) => `tool ${name} ${digest} (${level})`),
    ...(rules.models ?? []).map((model) => `model ${model}`),
  ];
};

const REVOCABLE_TEXT: Readonly<Record<Revocability, string>> = {
  no: 'no: the secret stays valid when a run ends',
  token: 'token: it is issued for each run and revoked at its end',
  role: 'role: it is created for each run and dropped at its end',
};

/** What the end of a run revokes, for people. */
export const formatRevocable = ({ revocable }: Pick<ExplainedUpstream, 'revocable'>): string =>
  REVOCABLE_TEXT[revocable];

/** Counts what is pinned: `2 tools`, `1 model` or `-`. */
export const summarizePinned = ({ pinned }: Pick<ExplainedUpstream, 'pinned'>): string => {
  const counts = (['tool', 'model'] as const).flatMap((kind) => {
    const count = pinned.filter((each) => each.startsWith(`${kind} `)).length;
    return count === 0 ? [] : [`${count} ${kind}${count === 1 ? '' : 's'}`];
  });
  return counts.join(', ') || '-';
};

/** The Upstream of a task, where it is known, and the errors that admission would report. */
export type TaskUpstream = {
  readonly upstream?: Upstream;
  readonly faults: readonly FieldError[];
};

/** @param upstreams absent: they are not known */
export const findExplainedUpstream = (
  task: Task,
  upstreams: Upstreams | undefined,
): TaskUpstream => {
  if (task.provider === 'aws' || upstreams === undefined) return { faults: [] };
  const found = findTaskUpstream(task, upstreams);
  if (found.ok) return { upstream: found.value, faults: [] };
  return { faults: found.faults.map((fault) => ({ ...fault, source: `task ${task.name}` })) };
};
