import type { Pair } from '../task/pairs.ts';
import type { PolicyDecision } from './decision.ts';

/** The decision on one pair, and the policies that decided. */
export type PairResult = {
  readonly pair: Pair;
  readonly outcome: PolicyDecision['outcome'];
  readonly policies: readonly string[];
  /** The reason without the pair: `forbidden by research/no-writes`. */
  readonly reason: string;
};

/** Combines pairs to a decision: allow if all are allowed, deny if one is denied. */
export const combineResults = (results: readonly PairResult[], version: string): PolicyDecision => {
  const outcome = findWorstOutcome(results);
  const decisive = results.filter((result) => result.outcome === outcome);
  const policies = [...new Set(decisive.flatMap((result) => result.policies))].sort();
  return { outcome, policies, reasons: formatReasons(decisive, outcome), version };
};

const findWorstOutcome = (results: readonly PairResult[]): PolicyDecision['outcome'] => {
  const outcomes = new Set(results.map(({ outcome }) => outcome));
  if (outcomes.has('deny') || outcomes.size === 0) return 'deny';
  return outcomes.has('undecided') ? 'undecided' : 'allow';
};

const MAX_REASONS = 8;
const MAX_ACTIONS = 4;

/** One line per reason and resource; for an allow, one line per reason. */
const formatReasons = (
  results: readonly PairResult[],
  outcome: PolicyDecision['outcome'],
): readonly string[] => {
  if (outcome === 'allow') return limitReasons([...new Set(results.map(({ reason }) => reason))]);
  const lines = new Map<string, string[]>();
  for (const { pair, reason } of results) {
    const key = `${reason}\n${pair.resource}`;
    lines.set(key, [...(lines.get(key) ?? []), formatAction(pair)]);
  }
  return limitReasons(Array.from(lines, ([key, actions]) => formatReasonLine(key, actions)));
};

const formatAction = ({ action, reachedBy }: Pair): string =>
  reachedBy === undefined ? action.name : `${action.name} (which MinIO allows with ${reachedBy})`;

const formatReasonLine = (key: string, actions: readonly string[]): string => {
  const [because = '', resource = ''] = key.split('\n');
  const rest = actions.length - MAX_ACTIONS;
  const named = actions.slice(0, MAX_ACTIONS).join(', ');
  return `${named}${rest > 0 ? ` and ${rest} more` : ''} on ${resource}: ${because}`;
};

const limitReasons = (lines: readonly string[]): readonly string[] =>
  lines.length <= MAX_REASONS
    ? lines
    : [...lines.slice(0, MAX_REASONS), `and ${lines.length - MAX_REASONS} more reasons`];
