import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';

import { ALERT_CASES, type AlertCase, type Series } from './alert-cases.ts';
import { ALERTS_FILE, readRuleGroups, type Alert, type RuleGroup } from './alert-rules.ts';

export type RunPromtool = (args: readonly string[]) => readonly string[];

/**
 * Finds promtool on PATH.
 *
 * @returns a function that runs it and returns its errors
 * @throws Error if there is none
 */
export const findPromtool = (): RunPromtool => {
  if (spawnSync('promtool', ['--version']).status !== 0)
    throw new Error(
      'promtool: expected it on PATH, got none; install Prometheus, or run `node e2e/cluster/main.ts build`, which installs it',
    );
  return (args) => {
    const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' });
    // On standard output it lists what succeeded.
    return status === 0 ? [] : [stderr === '' ? stdout : stderr];
  };
};

/** Checks syntax, templates and duplicates. @returns errors */
export const checkRules = (promtool: RunPromtool): readonly string[] =>
  promtool(['check', 'rules', '--lint-fatal', ALERTS_FILE]);

/**
 * Evaluates each alert on series that make it fire, and on series that do not. Each alone: together, every test would
 * evaluate every rule.
 *
 * @returns errors
 */
export const testAlerts = (promtool: RunPromtool): readonly string[] => {
  const groups = readRuleGroups();
  const files = ALERT_CASES.map((one, index) => ({
    rules: { groups: selectRules(groups, one.alert) },
    tests: {
      rule_files: [`rules-${index}.yaml`],
      evaluation_interval: '1m',
      tests: toTests(one),
    },
  }));
  const named = files.flatMap(({ rules, tests }, index) => [
    [`rules-${index}.yaml`, rules] as const,
    [`tests-${index}.yaml`, tests] as const,
  ]);
  return withFiles(Object.fromEntries<object>(named), (folder) =>
    promtool(['test', 'rules', ...files.map((_, index) => join(folder, `tests-${index}.yaml`))]),
  );
};

/** Parses PromQL queries. @returns errors */
export const checkQueries = (
  promtool: RunPromtool,
  queries: readonly string[],
): readonly string[] => {
  const rules = queries.map((expr, index) => ({ record: `query:${index}`, expr }));
  const file = { groups: [{ name: 'queries', rules }] };
  return withFiles({ 'queries.yaml': file }, (folder) =>
    promtool(['check', 'rules', join(folder, 'queries.yaml')]),
  );
};

/** Returns an alert, without annotations, which tests would have to repeat, and the recording rules of its group. */
const selectRules = (groups: readonly RuleGroup[], alert: string) =>
  groups
    .filter(({ rules }) => rules.some((rule) => 'alert' in rule && rule.alert === alert))
    .map(({ name, rules }) => ({
      name,
      rules: rules
        .filter((rule) => !('alert' in rule) || rule.alert === alert)
        .map((rule) => ('alert' in rule ? { alert, expr: rule.expr, ...toTiming(rule) } : rule)),
    }));

const toTiming = ({ for: duration, labels }: Alert) => ({
  ...(duration !== undefined && { for: duration }),
  labels,
});

const toTests = ({ alert, severity, at, fires, labels, quiet }: AlertCase) => {
  const toTest = (series: readonly Series[], exp_alerts: readonly object[]) => ({
    interval: '1m',
    input_series: series.map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts }],
  });
  return [
    toTest(fires, [{ exp_labels: { severity, ...labels } }]),
    ...quiet.map((series) => toTest(series, [])),
  ];
};

/** Writes each value as YAML into a temporary folder, which is removed afterwards. */
const withFiles = <T>(files: Readonly<Record<string, object>>, use: (folder: string) => T): T => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-promtool-'));
  try {
    for (const [name, value] of Object.entries(files))
      writeFileSync(join(folder, name), stringify(value));
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};
