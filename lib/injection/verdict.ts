import type { ExcusedRules } from '../contract/excused-rules.ts';
import { MODE_LABEL, WARN_MODE } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import { describeFault, type Fault } from '../reading/fault.ts';
import { ruleOf } from './rules/rules.ts';

/** Breaches, and how many of them are only told. */
export type Verdict = {
  readonly refusals: readonly Fault[];
  readonly excused: readonly Excused[];
};

type Excused = { readonly fault: Fault; readonly by: 'exception' | 'mode' };

export type VerdictTerms = {
  readonly platform: Platform;
  /** Where it is not known, nothing is excused. */
  readonly namespace: string | undefined;
  /** Its labels, where they are known. */
  readonly labels?: Readonly<Record<string, string>>;
};

/**
 * Tells breaches that refuse from those that the platform excepts in this namespace, and from those
 * of rule 7 while the namespace migrates (`valetkey.dev/mode: warn`). What protects the token is
 * firm.
 */
export const judgeBreaches = (faults: readonly Fault[], terms: VerdictTerms): Verdict => {
  const judged = faults.map((fault) => ({ fault, by: excuseOf(fault, terms) }));
  return {
    refusals: judged.flatMap(({ fault, by }) => (by === undefined ? [fault] : [])),
    excused: judged.flatMap(({ fault, by }) => (by === undefined ? [] : [{ fault, by }])),
  };
};

const excuseOf = (fault: Fault, terms: VerdictTerms): Excused['by'] | undefined => {
  const { platform, namespace, labels = {} } = terms;
  const rule = ruleOf(fault.rule);
  if (rule?.by !== 'webhook' || rule.isFirm?.(fault) === true) return undefined;
  const isExcepted = platform.pods.exceptions.some(
    (each) => each.namespace === namespace && each.rule === rule.id,
  );
  if (isExcepted) return 'exception';
  const isMigrating = namespace !== undefined && labels[MODE_LABEL] === WARN_MODE;
  return isMigrating && rule.id === '7' ? 'mode' : undefined;
};

/** The rules that excused breaches break, each once, by whose leave. */
export const excusedRules = (excused: Verdict['excused']): ExcusedRules => {
  const rulesBy = (by: Excused['by']) => [
    ...new Set(excused.flatMap((each) => (each.by === by ? (each.fault.rule ?? []) : []))),
  ];
  return { exceptions: rulesBy('exception'), warned: rulesBy('mode') };
};

/** By whose leave a breach is excused, in words. */
export const EXCUSE_WORDS = {
  exception: 'excepted by the platform',
  mode: `refused once ${MODE_LABEL} is no longer ${WARN_MODE}`,
} as const satisfies Readonly<Record<Excused['by'], string>>;

/** Further ones would be cut by the API server. */
const MAX_TOLD = 10;

/** What is told of excused breaches: to whoever asks, and to the API server's audit log. */
export const describeExcused = (
  excused: Verdict['excused'],
): {
  readonly warnings: readonly string[];
  readonly auditAnnotations: Readonly<Record<string, string>>;
} => {
  const more = excused.length - MAX_TOLD;
  const lines = excused
    .slice(0, MAX_TOLD)
    .map(({ fault, by }) => `${EXCUSE_WORDS[by]}: ${describeFault(fault)}`);
  const rules = Object.entries(excusedRules(excused)).map(
    ([name, ids]) => [name, ids.join()] as const,
  );
  return {
    warnings: [...lines, ...(more > 0 ? [`and ${more} more breaches are excused`] : [])],
    auditAnnotations: Object.fromEntries(rules.filter(([, ids]) => ids !== '')),
  };
};
