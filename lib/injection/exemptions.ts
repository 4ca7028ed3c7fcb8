import type { ExemptedRules } from '../contract/exempted-rules.ts';
import { MODE_LABEL, WARN_MODE } from '../contract/names.ts';
import type { Platform } from '../contract/platform.ts';
import { formatFieldError, type FieldError } from '../schema/field-error.ts';
import { isForeignKeyError } from './rules/foreign-keys.ts';
import { isOtherCloudError } from './rules/other-clouds.ts';
import { findRule } from './rules/rules.ts';

/** Violations that refuse the pod, and violations that the platform exempts. */
export type ExemptionResult = {
  readonly refusals: readonly FieldError[];
  readonly exempted: readonly ExemptedViolation[];
};

/** Settings with which the platform admits violations in every namespace. */
type AllowedEverywhere = 'otherClouds' | 'foreignKeys';

type ExemptedViolation = {
  readonly fault: FieldError;
  readonly by: 'exemption' | 'mode' | AllowedEverywhere;
};

export type ExemptionOptions = {
  readonly platform: Platform;
  /** Undefined: not known, so nothing is exempted. */
  readonly namespace: string | undefined;
  /** Labels of the namespace. Absent: not known. */
  readonly labels?: Readonly<Record<string, string>>;
};

/**
 * Separates violations that refuse the pod from those that the platform exempts in this namespace, from
 * those of rule 7 while the namespace migrates (`valetkey.dev/mode: warn`), and from credentials of Azure
 * and Google and keys of other services where the platform allows them (`pods.otherClouds`,
 * `pods.foreignKeys`). Rules that protect the exchange token
 * have no exemption.
 */
export const applyExemptions = (
  faults: readonly FieldError[],
  options: ExemptionOptions,
): ExemptionResult => {
  const classified = faults.map((fault) => ({ fault, by: findExemption(fault, options) }));
  return {
    refusals: classified.flatMap(({ fault, by }) => (by === undefined ? [fault] : [])),
    exempted: classified.flatMap(({ fault, by }) => (by === undefined ? [] : [{ fault, by }])),
  };
};

const findExemption = (
  fault: FieldError,
  options: ExemptionOptions,
): ExemptedViolation['by'] | undefined => {
  const { platform, namespace, labels = {} } = options;
  if (platform.pods.otherClouds === 'allow' && isOtherCloudError(fault)) return 'otherClouds';
  if (platform.pods.foreignKeys === 'warn' && isForeignKeyError(fault)) return 'foreignKeys';
  const rule = findRule(fault.rule);
  if (rule?.by !== 'webhook' || rule.isNonExemptible?.(fault) === true) return undefined;
  const isExempted = platform.pods.ruleExemptions.some(
    (each) => each.namespace === namespace && each.rule === rule.id,
  );
  if (isExempted) return 'exemption';
  const isMigrating = namespace !== undefined && labels[MODE_LABEL] === WARN_MODE;
  return isMigrating && rule.id === '7' ? 'mode' : undefined;
};

/** The ids of exempted rules, each once, by reason. What the platform allows everywhere is no exemption. */
export const listExemptedRules = (exempted: ExemptionResult['exempted']): ExemptedRules => {
  const rulesBy = (by: ExemptedViolation['by']) => [
    ...new Set(exempted.flatMap((each) => (each.by === by ? (each.fault.rule ?? []) : []))),
  ];
  return { exemptions: rulesBy('exemption'), warned: rulesBy('mode') };
};

/** The reason of an exemption, as text. */
export const EXEMPTION_TEXT = {
  exemption: 'exempted by the platform',
  otherClouds: 'allowed by pods.otherClouds',
  foreignKeys: 'refused with pods.foreignKeys: refuse',
  mode: `refused once ${MODE_LABEL} is no longer ${WARN_MODE}`,
} as const satisfies Readonly<Record<ExemptedViolation['by'], string>>;

/** Violations that the platform admits in every namespace, which are in no list of rules. */
export const listAllowedViolations = (exempted: ExemptionResult['exempted']): readonly string[] =>
  buildExemptionNotes(exempted.filter(({ by }) => by === 'otherClouds' || by === 'foreignKeys'))
    .warnings;

/** The API server truncates longer lists. */
const MAX_WARNINGS = 10;

/** Warnings for the user and annotations for the API server's audit log. */
export const buildExemptionNotes = (
  exempted: ExemptionResult['exempted'],
): {
  readonly warnings: readonly string[];
  readonly auditAnnotations: Readonly<Record<string, string>>;
} => {
  const more = exempted.length - MAX_WARNINGS;
  const lines = exempted
    .slice(0, MAX_WARNINGS)
    .map(({ fault, by }) => `${EXEMPTION_TEXT[by]}: ${formatFieldError(fault)}`);
  const rules = Object.entries(listExemptedRules(exempted)).map(
    ([name, ids]) => [name, ids.join()] as const,
  );
  return {
    warnings: [...lines, ...(more > 0 ? [`and ${more} more exempted violations`] : [])],
    auditAnnotations: Object.fromEntries(rules.filter(([, ids]) => ids !== '')),
  };
};
