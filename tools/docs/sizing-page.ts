import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  listFleetFigures,
  readFleetResults,
  type FleetResults,
} from '../../bench/fleet-results.ts';
import {
  listPodRestartFigures,
  listVirtualFigures,
  readPodRestart,
  type PodRestartResults,
} from '../../bench/pod-restart-results.ts';
import { STS_QUOTA } from '../../bench/fake-sts.ts';
import { DEFAULT_LIMITS } from '../../cmd/authority/config.ts';
import { BURST_SECONDS } from '../../lib/exchange/rate-limits.ts';
import { RECONNECT_JITTER } from '../../lib/runs/revocation-stream.ts';
import { renderMarkdownTable } from './markdown-table.ts';
import {
  buildAssumptions,
  readChartDefaults,
  readUnitCosts,
  SIZES,
  type Assumptions,
  type UnitCosts,
} from './sizing-model.ts';
import { renderReplicasTable, renderSizingTable } from './sizing-tables.ts';

const PAGE = join(import.meta.dirname, '../../docs/sizing.md');

const formatNumber = (value: number): string =>
  value.toLocaleString('en-US', { maximumSignificantDigits: 3 });

const renderAssumptions = (given: Assumptions): string =>
  renderMarkdownTable(
    ['assumption', 'value'],
    [
      ['lifetime of a run', `${given.lifetimeSeconds} s`],
      ['tasks of each pod that are in use all the time', formatNumber(given.tasksPerPod)],
      [
        'pods created in an hour, of those that run',
        `${formatNumber(given.createdPerHour * 100)} %`,
      ],
      ['reviews of the webhook for each created pod', formatNumber(given.reviewsPerPod)],
      ['calls of a pod in a minute, with `delivery: sign`', formatNumber(given.callsPerMinute)],
      ['use of one core by a replica, on average, at most', `${given.maxUse * 100} %`],
      ['days that audit records stay on the volume', formatNumber(given.auditDays)],
      ['memory limit of an authority replica', `${given.memoryLimit / 1024 ** 2} MiB, the chart's`],
      ['one page of a list of 200 pods (not measured)', `${given.pageSeconds * 1000} ms`],
    ],
  );

const renderCosts = (costs: UnitCosts): string =>
  renderMarkdownTable(
    ['unit', 'cost', 'source'],
    [
      ['a run', `${formatNumber(1000 / costs.runsPerCoreSecond)} ms of a core`, RESULTS],
      [
        'a review with a new declaration',
        `${formatNumber(1000 / costs.reviewsPerCoreSecond)} ms of a core`,
        RESULTS,
      ],
      ['a sidecar', `${formatNumber(costs.sidecarBytes / 1e6)} MB`, RESULTS],
      [
        'an opened event stream',
        `${formatNumber(costs.coreSecondsPerStream * 1000)} ms of a core`,
        FLEET,
      ],
      ['an open event stream', `${formatNumber(costs.bytesPerStream / 1e3)} kB`, FLEET],
      ['an authority without streams', `${formatNumber(costs.idleBytes / 1e6)} MB`, FLEET],
      ['API server calls of a run', formatNumber(costs.callsPerRun), FLEET],
      ['API server calls of an opened event stream', formatNumber(costs.callsPerStream), FLEET],
      [
        'API server calls of an idle replica',
        `${formatNumber(costs.idleCallsPerSecond)} per second`,
        FLEET,
      ],
      ['audit records of a run', `${formatNumber(costs.auditBytesPerRun)} bytes`, FLEET],
      ['a webhook after a minute of load', `${formatNumber(costs.webhookBytes / 1e6)} MB`, RESULTS],
      ['a line of a call', `${formatNumber(costs.callLineBytes)} bytes`, WRITTEN],
      ['a record of the calls of a run', `${formatNumber(costs.callRecordBytes)} bytes`, WRITTEN],
    ],
  );

const RESULTS = '`bench/results.json`';
const FLEET = '`bench/fleet.json`';
const WRITTEN = 'written by the code that writes this page';

/** Windows of the full jitter before a connection, as the sidecar computes them. */
const renderJitter = (): string => {
  const { firstMs, afterCutMs, maxMs } = RECONNECT_JITTER;
  const listWindows = (first: number): string =>
    Array.from({ length: 4 }, (_, failures) => Math.min(first * 2 ** failures, maxMs) / 1000)
      .map((seconds) => `${seconds} s`)
      .join(', ');
  return renderMarkdownTable(
    ['the stream', 'the next attempt is within', 'largest window'],
    [
      ['was open and was cut', listWindows(afterCutMs), `${maxMs / 1000} s`],
      [
        'could not be opened, was asked to reconnect, or ended',
        listWindows(firstMs),
        `${maxMs / 1000} s`,
      ],
    ],
  );
};

const renderFleet = (results: FleetResults): string => {
  const { cpu, cores, node, load, streams, namespaces } = results;
  const machine = `${streams.toLocaleString('en-US')} streams in ${namespaces} namespaces. ${cores} cores of ${cpu}, Node ${node}. Load average of the machine before and after: ${load.before} and ${load.after}.`;
  const rows = listFleetFigures(results).map(([name, value, unit]) => [
    name,
    formatNumber(value),
    unit,
  ]);
  return `${machine}\n\n${renderMarkdownTable(['figure', 'value', 'unit'], rows)}`;
};

const renderPodRestart = (results: PodRestartResults): string => {
  const { cpu, cores, node, load, pods, namespaces, podsPerSecond, restarts, virtual } = results;
  const machine = `${pods.toLocaleString('en-US')} pods in ${namespaces} namespaces, ${podsPerSecond} of them in a second. ${cores} cores of ${cpu}, Node ${node}. Load average of the machine before and after: ${load.before} and ${load.after}.`;
  const columns = restarts.map(({ stsLimit }) => `STS limit ${stsLimit} per second`);
  const rows = listPodRestartFigures(results).map(({ name, values, unit, meaning }) => [
    name,
    ...values.map(formatNumber),
    unit,
    meaning,
  ]);
  const virtualRows = listVirtualFigures(virtual).map(([name, value, unit, meaning]) => [
    name,
    formatNumber(value),
    unit,
    meaning,
  ]);
  return [
    machine,
    renderMarkdownTable(['figure', ...columns, 'unit', 'what it means'], rows),
    `The same number of pods in virtual time, all in one moment, at an STS that answers ${virtual.stsLimit} calls per second:`,
    renderMarkdownTable(['figure', 'value', 'unit', 'what it means'], virtualRows),
  ].join('\n\n');
};

const renderLimits = (): string => {
  const { namespaceRate, connections } = DEFAULT_LIMITS;
  const burst = namespaceRate * BURST_SECONDS;
  return renderMarkdownTable(
    ['limit', 'default', 'of'],
    [
      [
        'requests of the pods of a namespace',
        `${namespaceRate} per second, ${burst.toLocaleString('en-US')} at once`,
        'a replica',
      ],
      ['connections', connections.toLocaleString('en-US'), 'a replica'],
      [
        'STS requests, as AWS documents them',
        `${STS_QUOTA.perSecond} per second`,
        'an account and Region',
      ],
    ],
  );
};

/**
 * Replaces the written parts of a page: what is between `<!-- make docs: NAME -->` and `<!-- end: NAME -->`.
 *
 * @throws Error if the page has no part of a name
 */
export const replaceSections = (page: string, sections: Readonly<Record<string, string>>): string =>
  Object.entries(sections).reduce((text, [name, written]) => {
    const [begin, end] = [`<!-- make docs: ${name} -->`, `<!-- end: ${name} -->`];
    const [from, to] = [text.indexOf(begin), text.indexOf(end)];
    if (from < 0 || to < from) throw new Error(`the page: expected ${begin} and ${end}`);
    return `${text.slice(0, from)}${begin}\n\n${written}\n\n${text.slice(to)}`;
  }, page);

/** The page with the tables that are computed from what `bench` published. */
export const renderSizingPage = (): string => {
  const chart = readChartDefaults();
  const costs = readUnitCosts();
  const assumptions = buildAssumptions(chart);
  return replaceSections(readFileSync(PAGE, 'utf8'), {
    assumptions: renderAssumptions(assumptions),
    costs: renderCosts(costs),
    sizes: renderSizingTable(SIZES, assumptions, { costs, chart }),
    'more memory': renderReplicasTable(
      SIZES,
      { ...assumptions, memoryLimit: 2 * assumptions.memoryLimit },
      { costs, chart },
    ),
    jitter: renderJitter(),
    fleet: renderFleet(readFleetResults()),
    pods: renderPodRestart(readPodRestart()),
    limits: renderLimits(),
  });
};
