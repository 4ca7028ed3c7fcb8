import type { CustomResource } from '../../lib/edge/kubernetes/custom-resources.ts';

/** A TaskPolicy as `status` shows it. */
export type PolicyState = {
  readonly name: string;
  readonly isReady: boolean;
  readonly reason: string;
  readonly message: string;
  /** Milliseconds since the epoch; NaN if unknown. */
  readonly createdAt: number;
};

type Condition = {
  readonly type?: string;
  readonly status?: string;
  readonly reason?: string;
  readonly message?: string;
  readonly observedGeneration?: number;
};

const toPolicyState = ({ metadata, status }: CustomResource): PolicyState => {
  const { conditions = [] } = (status ?? {}) as { readonly conditions?: readonly Condition[] };
  const ready = conditions.find(({ type }) => type === 'Ready');
  const createdAt = Date.parse(metadata.creationTimestamp ?? '');
  const base = { name: metadata.name, createdAt };
  if (ready === undefined) return { ...base, ...NOT_EVALUATED };
  const isCurrent = ready.observedGeneration === metadata.generation;
  if (!isCurrent) return { ...base, ...NOT_EVALUATED };
  const { reason = '', message = '' } = ready;
  return { ...base, isReady: ready.status === 'True', reason, message };
};

const NOT_EVALUATED = {
  isReady: false,
  reason: 'NotEvaluated',
  message: 'no authority has evaluated this version',
};

/** Lists which policies are ready. Any that is not denies every run. */
export const checkPolicies = (
  stored: readonly CustomResource[],
): { readonly value: readonly PolicyState[]; readonly problems: readonly string[] } => {
  const policies = stored.map(toPolicyState);
  const problems = policies
    .filter(({ isReady }) => !isReady)
    .map(({ name, message }) => `TaskPolicy ${name}: ${message.split('\n')[0] ?? ''}`);
  const none = 'TaskPolicies: expected at least one, got none: all tasks are denied';
  return { value: policies, problems: policies.length === 0 ? [none] : problems };
};
