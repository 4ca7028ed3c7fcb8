import { STS_QUOTA } from '../../bench/fake-sts.ts';
import { renderMarkdownTable } from './markdown-table.ts';
import { computeSizing, type Assumptions, type Given, type Sizing } from './sizing-model.ts';

const formatNumber = (value: number): string =>
  value < 0.01 ? '< 0.01' : value.toLocaleString('en-US', { maximumSignificantDigits: 3 });
const formatCount = (value: number): string => value.toLocaleString('en-US');
const GIB = 1024 ** 3;
const formatBytes = (bytes: number): string =>
  bytes < GIB
    ? `${formatCount(Math.ceil(bytes / 1024 ** 2))} MiB`
    : `${formatNumber(bytes / GIB)} GiB`;

/** A column for each size, with all that is computed. */
export const renderSizingTable = (
  sizes: readonly number[],
  assumptions: Assumptions,
  given: Given,
): string =>
  renderColumns(sizes, (pods) => computeSizing(pods, assumptions, given), [
    ...REPLICA_LINES,
    ['… cores, all replicas', ({ authority }) => formatNumber(authority.cores)],
    ['… event streams of one, another missing', ({ authority }) => formatCount(authority.streams)],
    ['… memory limit of one, at least', ({ authority }) => formatBytes(authority.bytes)],
    [
      `… volume of one, ${assumptions.auditDays} days`,
      ({ authority }) => formatBytes(authority.volumeBytes),
    ],
    [
      '… hours that the default volume lasts',
      ({ authority }) => formatNumber(authority.defaultVolumeHours),
    ],
    [
      '… seconds to open the streams of a lost one',
      ({ authority }) => formatNumber(authority.reopenSeconds),
    ],
    ['**webhook**: replicas', ({ webhook }) => formatCount(webhook.replicas)],
    ['… cores, all replicas', ({ webhook }) => formatNumber(webhook.cores)],
    ['… reviews per second', ({ rates }) => formatNumber(rates.reviews)],
    ['… memory limit of one, at least', ({ webhook }) => formatBytes(webhook.bytes)],
    [
      '**sidecars**: memory requested, all pods',
      ({ sidecars }) => formatBytes(sidecars.requestBytes),
    ],
    ['… private memory measured, all pods', ({ sidecars }) => formatBytes(sidecars.bytes)],
    ['… cores requested, all pods', ({ sidecars }) => formatNumber(sidecars.cores)],
    [
      '**calls** (`delivery: sign`): log lines of a pod, a day',
      ({ calls }) => formatBytes(calls.podLines),
    ],
    ['… log lines of all pods, a day', ({ calls }) => formatBytes(calls.lines)],
    ["… records of a pod's runs, a day", ({ calls }) => formatBytes(calls.podRecords)],
    [
      `… more volume of one authority, ${assumptions.auditDays} days`,
      ({ calls }) => formatBytes(calls.volume),
    ],
    [
      '**API server**: calls of the authority per second',
      ({ rates }) => formatNumber(rates.authorityCalls),
    ],
    ['… tokens for kubelets per second', ({ rates }) => formatNumber(rates.kubeletCalls)],
    ['**STS**: calls per second', ({ rates }) => formatNumber(rates.sts)],
    [
      `… share of ${STS_QUOTA.perSecond} per second`,
      ({ rates }) => `${formatNumber((rates.sts / STS_QUOTA.perSecond) * 100)} %`,
    ],
    ['… calls per second at most, all replicas busy', ({ rates }) => formatNumber(rates.maxSts)],
  ]);

/** A column for each size, with the replicas of the authority alone. */
export const renderReplicasTable = (
  sizes: readonly number[],
  assumptions: Assumptions,
  given: Given,
): string => renderColumns(sizes, (pods) => computeSizing(pods, assumptions, given), REPLICA_LINES);

type Line = readonly [name: string, format: (sizing: Sizing) => string];

const REPLICA_LINES: readonly Line[] = [
  ['**authority**: replicas', ({ authority }) => formatCount(authority.replicas)],
  ['… decided by', ({ authority }) => authority.limitedBy],
];

const renderColumns = (
  sizes: readonly number[],
  compute: (pods: number) => Sizing,
  lines: readonly Line[],
): string => {
  const columns = sizes.map(compute);
  const head = ['', ...columns.map(({ pods }) => `${formatCount(pods)} pods`)];
  return renderMarkdownTable(
    head,
    lines.map(([name, format]) => [name, ...columns.map(format)]),
  );
};
