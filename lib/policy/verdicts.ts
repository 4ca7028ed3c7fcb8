import type { Pair } from '../task/pairs.ts';
import type { Decision } from './decision.ts';

/** What policy says of one pair, and which policies say so. */
export type Verdict = {
  readonly pair: Pair;
  readonly outcome: Decision['outcome'];
  readonly policies: readonly string[];
  /** Why, without the pair: `forbidden by research/no-writes`. */
  readonly because: string;
};

/** A task is allowed where each of its pairs is, and denied where one of them is. */
export const judgeTogether = (verdicts: readonly Verdict[], version: string): Decision => {
  const outcome = worstOf(verdicts);
  const decisive = verdicts.filter((verdict) => verdict.outcome === outcome);
  const policies = [...new Set(decisive.flatMap((verdict) => verdict.policies))].sort();
  return { outcome, policies, reasons: describe(decisive, outcome), version };
};

const worstOf = (verdicts: readonly Verdict[]): Decision['outcome'] => {
  const outcomes = new Set(verdicts.map(({ outcome }) => outcome));
  if (outcomes.has('deny') || outcomes.size === 0) return 'deny';
  return outcomes.has('undecided') ? 'undecided' : 'allow';
};

const MAX_REASONS = 8;
const MAX_ACTIONS = 4;

/** A line for each cause and resource; of a yes the causes alone. */
const describe = (
  verdicts: readonly Verdict[],
  outcome: Decision['outcome'],
): readonly string[] => {
  if (outcome === 'allow') return shorten([...new Set(verdicts.map(({ because }) => because))]);
  const lines = new Map<string, string[]>();
  for (const { pair, because } of verdicts) {
    const key = `${because}\n${pair.resource}`;
    lines.set(key, [...(lines.get(key) ?? []), pair.action.name]);
  }
  return shorten(Array.from(lines, ([key, actions]) => lineOf(key, actions)));
};

const lineOf = (key: string, actions: readonly string[]): string => {
  const [because = '', resource = ''] = key.split('\n');
  const rest = actions.length - MAX_ACTIONS;
  const named = actions.slice(0, MAX_ACTIONS).join(', ');
  return `${named}${rest > 0 ? ` and ${rest} more` : ''} on ${resource}: ${because}`;
};

const shorten = (lines: readonly string[]): readonly string[] =>
  lines.length <= MAX_REASONS
    ? lines
    : [...lines.slice(0, MAX_REASONS), `and ${lines.length - MAX_REASONS} reasons more`];
