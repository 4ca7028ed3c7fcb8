import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import {
  listFaults,
  type FaultCase,
  type FaultId,
  type Objective,
} from '../../e2e/faults/fault-cases.ts';
import type { LoadFigures } from '../../e2e/faults/credential-load.ts';
import {
  readFaultResults,
  type CallFigures,
  type FaultResult,
  type FaultResults,
} from '../../e2e/faults/fault-results.ts';
import { renderMarkdownTable } from './markdown-table.ts';
import { replaceSections } from './sizing-page.ts';

const ROOT = join(import.meta.dirname, '../..');
const PAGE = join(ROOT, 'docs/reliability.md');
const ALERTS = join(ROOT, 'charts/valetkey/alerts.yaml');

type Fault = FaultCase & { readonly id: FaultId };

const formatNumber = (value: number): string =>
  value.toLocaleString('en-US', { maximumSignificantDigits: 3 });

const formatRecovery = (result: FaultResult | undefined): string => {
  if (result === undefined) return '–';
  const { recoverySeconds } = result;
  if (recoverySeconds === undefined) return 'not measured';
  return recoverySeconds === 0 ? 'none needed' : `${formatNumber(recoverySeconds)} s`;
};

/** All faults on one screen. */
export const renderSummary = (faults: readonly Fault[], results: FaultResults): string =>
  renderMarkdownTable(
    ['fault', 'promise', 'lost', 'recovery'],
    faults.map(({ id, sentence, lost }) => [
      `[${id}](#${id})`,
      sentence,
      lost,
      formatRecovery(results[id]),
    ]),
  );

type Row = readonly [name: string, value: string, unit: string];

const toRow = (name: string, value: number, unit = ''): Row => [name, formatNumber(value), unit];

const listLoadRows = ({
  requests,
  refused,
  lost,
  servedAfterEnd,
  longestGapSeconds,
}: LoadFigures): readonly Row[] => [
  toRow('requests for credentials', requests),
  toRow('… that got none at the first attempt', refused),
  toRow('… that got none although they were repeated', lost),
  toRow('… that got ended credentials', servedAfterEnd),
  toRow('longest time without an answer', longestGapSeconds, 's'),
];

const listCallRows = (calls: CallFigures): readonly Row[] => [
  toRow('calls that the gateway signs', calls.requests),
  toRow('… that did not pass at the first attempt', calls.refused),
  toRow('… that did not pass although they were repeated', calls.lost),
  toRow('… that passed after the end of their run', calls.servedAfterEnd),
  toRow('longest time without a call that passed', calls.longestGapSeconds, 's'),
  toRow('requests that the cloud received', calls.received),
  toRow('… without a line of the journal', calls.withoutLine),
  toRow('calls in lines of the journal', calls.journaled),
  toRow('… without a record `run.calls`', calls.withoutRecord),
];

const renderMeasurement = ({
  load,
  calls,
  recoverySeconds,
  figures,
  ...made
}: FaultResult): string => {
  const rows = [
    ...(load === undefined ? [] : listLoadRows(load)),
    ...(calls === undefined ? [] : listCallRows(calls)),
    ...(recoverySeconds === undefined ? [] : [toRow('recovery', recoverySeconds, 's')]),
    ...figures.map(({ name, value, unit }) => toRow(name, value, unit)),
  ];
  const { measuredOn, machine } = made;
  const where = `${measuredOn}, ${machine.cores} cores of ${machine.cpu}, Node ${machine.node}, load average ${machine.load.before} before and ${machine.load.after} after.`;
  return `${renderMarkdownTable(['measured', 'value', 'unit'], rows)}\n\nMeasured on ${where}`;
};

const renderFault = (
  { id, sentence, fault, seen, lost, hand, objectives, test }: Fault,
  result: FaultResult | undefined,
): string =>
  [
    `### ${id}`,
    sentence,
    [
      `- **Fault:** ${fault}`,
      `- **Seen:** ${seen}`,
      `- **Lost:** ${lost}`,
      `- **By hand:** ${hand}`,
      ...(objectives.length === 0
        ? []
        : [`- **Uses the budget of:** ${objectives.map((each) => `\`${each}\``).join(', ')}`]),
      ...(test === undefined ? [] : [`- **On a cluster:** \`e2e/tests/${test}\``]),
    ].join('\n'),
    ...(result === undefined ? [] : [renderMeasurement(result)]),
  ].join('\n\n');

type Rule = {
  readonly record?: string;
  readonly expr?: string | number;
  readonly labels?: Readonly<Record<string, string>>;
};

/** The targets of the recording rules, by objective: shares of 1. */
export const readTargets = (): ReadonlyMap<string, number> => {
  const { groups } = parse(readFileSync(ALERTS, 'utf8')) as {
    readonly groups: readonly { readonly rules: readonly Rule[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  return new Map(
    rules
      .filter(({ record }) => record === 'slo:valetkey_objective:ratio')
      .map(({ expr, labels }) => [
        labels?.['slo'] ?? '',
        Number(/[\d.]+/.exec(String(expr))?.[0] ?? NaN),
      ]),
  );
};

const WINDOW_MINUTES = 30 * 24 * 60;

/** How long a total outage may last in 30 days, and which faults use it up. */
export const renderObjectives = (
  faults: readonly Fault[],
  targets: ReadonlyMap<string, number>,
): string =>
  renderMarkdownTable(
    ['objective', 'target', 'total outage in 30 days that uses it up', 'faults that use it'],
    [...targets].map(([objective, target]) => [
      `\`${objective}\``,
      `${formatNumber(target * 100)} %`,
      `${formatNumber((1 - target) * WINDOW_MINUTES)} minutes`,
      faults
        .filter(({ objectives }) => objectives.includes(objective as Objective))
        .map(({ id }) => `[${id}](#${id})`)
        .join(', '),
    ]),
  );

/** The page with the faults of e2e/faults, what they measured, and the objectives of the chart. */
export const renderReliabilityPage = (): string => {
  const [faults, results] = [listFaults(), readFaultResults()];
  return replaceSections(readFileSync(PAGE, 'utf8'), {
    summary: renderSummary(faults, results),
    objectives: renderObjectives(faults, readTargets()),
    faults: faults.map((fault) => renderFault(fault, results[fault.id])).join('\n\n'),
  });
};
