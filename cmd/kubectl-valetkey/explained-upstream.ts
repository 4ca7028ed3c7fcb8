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

/** What `explain` shows of the Upstream of a task. */
export type ExplainedUpstream = {
  readonly name: string;
  readonly protocol: TaskProtocol;
  /** What the end of a run revokes. */
  readonly revocable: Revocability;
  /** What the Upstream fixes of the task's calls: tools by their digests, models by their names. */
  readonly pinned: readonly string[];
};

export const explainUpstream = ({ allow }: Task, upstream: Upstream): ExplainedUpstream => ({
  name: upstream.name,
  protocol: getUpstreamProtocol(upstream),
  revocable: getRevocability(upstream),
  pinned: listPinned(
    allow.flatMap(({ resources }) => resources),
    upstream,
  ),
});

const listPinned = (resources: readonly string[], upstream: Upstream): readonly string[] => {
  if (upstream.kind === 'postgres') return [];
  const { tools, rules } = upstream;
  const named = new Set(resources.flatMap((resource) => listNamedTools(tools, resource)));
  return [
    ...[...named].map(({ name, digest, level = 'Write' }) => `tool ${name} ${digest} (${level})`),
    ...(rules.models ?? []).map((model) => `model ${model}`),
  ];
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
