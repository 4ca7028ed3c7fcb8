import type { ReadResult } from '../status-data.ts';

/** IDs of all rows, in the order of the output. `docs/check.md` has a section for each. */
export const CHECK_IDS = [
  'api-server',
  'native-sidecars',
  'clock-skew',
  'audit-storage',
  'pod-security',
  'mutators',
  'programs',
  'webhooks',
  'admission-policies',
  'custom-resources',
  'task-policies',
  'issuer',
  'admission',
  'openshift-scc',
  'scraping',
  'cloud-scope',
  'cloud-deadline',
  'cloud-source',
  'cloud-keys',
] as const;
export type CheckId = (typeof CHECK_IDS)[number];

/** `skipped`: it does not apply, or it could not be decided without an input that `found` names. */
export type Outcome = 'pass' | 'warning' | 'fail' | 'skipped';

/** One checked property of a cluster. */
export type CheckRow = {
  readonly id: CheckId;
  readonly outcome: Outcome;
  /** What was found, as one phrase. */
  readonly found: string;
  /** Each problem: the culprit, expected and actual value. Empty unless it is a warning or a fail. */
  readonly problems: readonly string[];
  /** What to do; present for a warning and a fail. */
  readonly hint?: string;
  /** Section of the documentation. */
  readonly docs: string;
};

/** What a check reports; {@link toRow} adds its ID. */
export type CheckResult = Omit<CheckRow, 'id' | 'docs'>;

export const toRow = (id: CheckId, result: CheckResult): CheckRow => ({
  id,
  ...result,
  docs: `docs/check.md#${id}`,
});

export const pass = (found: string): CheckResult => ({ outcome: 'pass', found, problems: [] });

export const skip = (why: string): CheckResult => ({
  outcome: 'skipped',
  found: why,
  problems: [],
});

/** @param problems at least one */
export const report = (
  outcome: 'warning' | 'fail',
  { problems, hint }: { readonly problems: readonly string[]; readonly hint: string },
): CheckResult => {
  const [first = '', ...others] = problems;
  const found = others.length === 0 ? first : `${problems.length} problems`;
  return { outcome, found, problems, hint };
};

/** Fails if there are problems. */
export const failIfAny = (
  problems: readonly string[],
  { found, hint }: { readonly found: string; readonly hint: string },
): CheckResult => (problems.length === 0 ? pass(found) : report('fail', { problems, hint }));

/** Checks a value that was read. What could not be read is not a pass. */
export const checkRead = <T>(
  result: ReadResult<T>,
  check: (value: T) => CheckResult,
): CheckResult =>
  'value' in result
    ? check(result.value)
    : report('fail', { problems: [`unknown (${result.unknown})`], hint: READ_HINT });

const READ_HINT = 'check the connection, and your permissions with kubectl auth can-i';
