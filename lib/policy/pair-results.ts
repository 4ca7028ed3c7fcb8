import type { Pair } from '../task/pairs.ts';
import type { PolicyDecision } from './decision.ts';

/** What policy says of one pair, and which policies say so. */
export type PairResult = {
  readonly pair: Pair;
  readonly outcome: PolicyDecision['outcome'];
  readonly policies: readonly string[];
  /** Why, without the pair: `forbidden by research/no-writes`. */
  readonly reason: string;
};

/** A task is allowed where each of its pairs is, and denied where one of them is. */
export const combineResults = (
  verdicts: readonly PairResult[],
  version: string,
): PolicyDecision => {
  const outcome = findWorstOutcome(verdicts);
  const decisive = verdicts.filter((verdict) => verdict.outcome === outcome);
  const policies = [...new Set(decisive.flatMap((verdict) => verdict.policies))].sort();
  return { outcome, policies, reasons: formatReasons(decisive, outcome), version };
};

const findWorstOutcome = (verdicts: readonly PairResult[]): PolicyDecision['outcome'] => {
  const outcomes = new Set(verdicts.map(({ outcome }) => outcome));
  if (outcomes.has('deny') || outcomes.size === 0) return 'deny';
  return outcomes.has('undecided') ? 'undecided' : 'allow';
};

const MAX_REASONS = 8;
const MAX_ACTIONS = 4;

/** A line for each cause and resource; of a yes the causes alone. */
const formatReasons = (
  verdicts: readonly PairResult[],
  outcome: PolicyDecision['outcome'],
): readonly string[] => {
  if (outcome === 'allow') return limitReasons([...new Set(verdicts.map(({ reason }) => reason))]);
  const lines = new Map<string, string[]>();
  for (const { pair, reason } of verdicts) {
    const key = `${reason}\n${pair.resource}`;
    lines.set(key, [...(lines.get(key) ?? []), pair.action.name]);
  }
  return limitReasons(Array.from(lines, ([key, actions]) => formatReasonLine(key, actions)));
};

const formatReasonLine = (key: string, actions: readonly string[]): string => {
  const [because = '', resource = ''] = key.split('\n');
  const rest = actions.length - MAX_ACTIONS;
  const named = actions.slice(0, MAX_ACTIONS).join(', ');
  return `${named}${rest > 0 ? ` and ${rest} more` : ''} on ${resource}: ${because}`;
};

const limitReasons = (lines: readonly string[]): readonly string[] =>
  lines.length <= MAX_REASONS
    ? lines
    : [...lines.slice(0, MAX_REASONS), `and ${lines.length - MAX_REASONS} reasons more`];
