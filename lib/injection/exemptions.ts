import type { ExemptedRules } from '../contract/exempted-rules.ts';
import { MODE_LABEL, WARN_MODE } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import { formatFieldError, type FieldError } from '../schema/field-error.ts';
import { findRule } from './rules/rules.ts';

/** Breaches, and how many of them are only told. */
export type ExemptionResult = {
  readonly refusals: readonly FieldError[];
  readonly exempted: readonly ExemptedViolation[];
};

type ExemptedViolation = { readonly fault: FieldError; readonly by: 'exception' | 'mode' };

export type ExemptionOptions = {
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
export const applyExemptions = (
  faults: readonly FieldError[],
  terms: ExemptionOptions,
): ExemptionResult => {
  const classified = faults.map((fault) => ({ fault, by: findExemption(fault, terms) }));
  return {
    refusals: classified.flatMap(({ fault, by }) => (by === undefined ? [fault] : [])),
    exempted: classified.flatMap(({ fault, by }) => (by === undefined ? [] : [{ fault, by }])),
  };
};

const findExemption = (
  fault: FieldError,
  terms: ExemptionOptions,
): ExemptedViolation['by'] | undefined => {
  const { platform, namespace, labels = {} } = terms;
  const rule = findRule(fault.rule);
  if (rule?.by !== 'webhook' || rule.isNonExemptible?.(fault) === true) return undefined;
  const isExcepted = platform.pods.exceptions.some(
    (each) => each.namespace === namespace && each.rule === rule.id,
  );
  if (isExcepted) return 'exception';
  const isMigrating = namespace !== undefined && labels[MODE_LABEL] === WARN_MODE;
  return isMigrating && rule.id === '7' ? 'mode' : undefined;
};

/** The rules that excused breaches break, each once, by whose leave. */
export const listExemptedRules = (excused: ExemptionResult['exempted']): ExemptedRules => {
  const rulesBy = (by: ExemptedViolation['by']) => [
    ...new Set(excused.flatMap((each) => (each.by === by ? (each.fault.rule ?? []) : []))),
  ];
  return { exceptions: rulesBy('exception'), warned: rulesBy('mode') };
};

/** By whose leave a breach is excused, in words. */
export const EXEMPTION_TEXT = {
  exception: 'excepted by the platform',
  mode: `refused once ${MODE_LABEL} is no longer ${WARN_MODE}`,
} as const satisfies Readonly<Record<ExemptedViolation['by'], string>>;

/** Further ones would be cut by the API server. */
const MAX_WARNINGS = 10;

/** What is told of excused breaches: to whoever asks, and to the API server's audit log. */
export const buildExemptionNotes = (
  excused: ExemptionResult['exempted'],
): {
  readonly warnings: readonly string[];
  readonly auditAnnotations: Readonly<Record<string, string>>;
} => {
  const more = excused.length - MAX_WARNINGS;
  const lines = excused
    .slice(0, MAX_WARNINGS)
    .map(({ fault, by }) => `${EXEMPTION_TEXT[by]}: ${formatFieldError(fault)}`);
  const rules = Object.entries(listExemptedRules(excused)).map(
    ([name, ids]) => [name, ids.join()] as const,
  );
  return {
    warnings: [...lines, ...(more > 0 ? [`and ${more} more breaches are excused`] : [])],
    auditAnnotations: Object.fromEntries(rules.filter(([, ids]) => ids !== '')),
  };
};
