import { ExchangeError, type Exchange, type RunRequest } from '../contract/exchange.ts';
import { MAX_PROPOSED_PAIRS, type Proposal } from '../contract/proposals.ts';
import type { RefusalMemory } from './refusal-memory.ts';

export type NotedExchangeDeps = {
  readonly refusals: Pick<RefusalMemory, 'remember'>;
  readonly createId: () => string;
};

/**
 * Wraps an exchange: a run that no policy permits is remembered for its consumer, and the message names the
 * refusal, so that an agent may propose what is missing. What a policy forbids is no missing right.
 */
export const createNotedExchange =
  (exchange: Exchange, { refusals, createId }: NotedExchangeDeps): Exchange =>
  async (request, signal, onRetry) => {
    try {
      return await exchange(request, signal, onRetry);
    } catch (thrown) {
      if (!isUnpermitted(thrown)) throw thrown;
      const proposal = await buildProposal(request);
      if (proposal === undefined) throw thrown;
      const { kind, code, message, retryAfterMs } = thrown;
      const noted = { code, message, proposal };
      const shown = refusals.remember(request.consumer, createId(), noted);
      throw new ExchangeError(kind, code, shown, {
        cause: thrown,
        ...(retryAfterMs !== undefined && { retryAfterMs }),
      });
    }
  };

const isUnpermitted = (thrown: unknown): thrown is ExchangeError =>
  thrown instanceof ExchangeError &&
  thrown.code === 'policy_denied' &&
  thrown.policies.length === 0;

/** All that the run asked for: the sidecar does not know which part policy denies. */
const buildProposal = async ({ task, params }: RunRequest): Promise<Proposal | undefined> => {
  const pairs = task.allow.reduce(
    (sum, { actions, resources }) => sum + actions.length * resources.length,
    0,
  );
  if (pairs > MAX_PROPOSED_PAIRS) return undefined;
  // Loaded on demand: most sidecars never refuse a run.
  const { bindResource } = await import('../task/resource.ts');
  const allow = task.allow.map(({ actions, resources }) => ({
    actions,
    resources: resources.map((resource) => bindResource(resource, params)),
  }));
  return { task: task.name, allow };
};
