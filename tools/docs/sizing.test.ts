import { describe, expect, it } from '@jest/globals';
import { computeRenewBeforeMs } from '../../lib/runs/freshness.ts';
import { measureCallRecords } from './call-record-bytes.ts';
import {
  buildAssumptions,
  computeSizing,
  readChartDefaults,
  readUnitCosts,
  type UnitCosts,
} from './sizing-model.ts';
import { renderSizingTable } from './sizing-tables.ts';
import { replaceSections } from './sizing-page.ts';

const MIB = 1024 ** 2;
const chart = {
  replicas: 2,
  webhookReplicas: 2,
  memoryLimit: 512 * MIB,
  auditBytes: 1024 * MIB,
  sidecar: { memory: 128 * MIB, cores: 0.1 },
};
const costs: UnitCosts = {
  runsPerCoreSecond: 500,
  reviewsPerCoreSecond: 2_000,
  coreSecondsPerStream: 0.002,
  callsPerStream: 2,
  callsPerRun: 2,
  auditBytesPerRun: 3_000,
  idleCallsPerSecond: 0.25,
  idleBytes: 120e6,
  bytesPerStream: 100e3,
  sidecarBytes: 17e6,
  webhookBytes: 100e6,
  callLineBytes: 500,
  callRecordBytes: 7_000,
};
const assumptions = buildAssumptions(chart);
const compute = (pods: number, changes = {}) =>
  computeSizing(pods, { ...assumptions, ...changes }, { costs, chart });

describe('computeSizing', () => {
  it('computes STS calls from the lifetime of runs and when they are renewed', () => {
    const { sts } = compute(4_500).rates;
    expect(computeRenewBeforeMs(600_000)).toBe(150_000);
    expect(sts).toBe(10);
    expect(compute(4_500, { tasksPerPod: 3 }).rates.sts).toBe(30);
  });

  it('needs the replicas of the chart for few pods, for availability', () => {
    expect(compute(100).authority).toMatchObject({ replicas: 2, limitedBy: 'availability' });
    expect(compute(100).webhook.replicas).toBe(2);
  });

  it.each([
    ['memory', {}, { memoryLimit: 256 * MIB }],
    ['CPU', { runsPerCoreSecond: 5 }, {}],
    ['connections', { bytesPerStream: 1 }, {}],
    ['restart', { coreSecondsPerStream: 1, runsPerCoreSecond: 1e9 }, { maxUse: 1e9 }],
  ])('adds replicas where %s is the limit, one more than needed', (limit, cost, assumed) => {
    const given = { costs: { ...costs, ...cost }, chart };
    const { authority } = computeSizing(20_000, { ...assumptions, ...assumed }, given);
    expect(authority.limitedBy).toBe(limit);
    expect(authority.replicas).toBeGreaterThan(2);
  });

  it('lets the other replicas hold the streams of a lost one within their memory limit', () => {
    for (const pods of [1_000, 5_000, 50_000]) {
      const { replicas, streams, bytes } = compute(pods).authority;
      expect(streams * (replicas - 1)).toBeGreaterThanOrEqual(pods);
      expect(bytes).toBeLessThanOrEqual(chart.memoryLimit);
    }
  });

  it('opens the streams of a lost replica again before heartbeats are missed', () => {
    expect(compute(50_000, { memoryLimit: 2048 * MIB }).authority.reopenSeconds).toBeLessThan(15);
  });

  it('counts calls of the authority for runs, streams, lists of pods, and each replica', () => {
    const { rates, authority } = compute(1_000, { createdPerHour: 0 });
    const [runs, streams] = [1_000 / 450, 1_000 / 480];
    expect(rates.authorityCalls).toBeCloseTo(
      2 * runs + 2 * streams + authority.replicas * (0.25 + 5 / 30),
    );
    expect(rates.kubeletCalls).toBeCloseTo(streams);
  });

  it('computes lines of calls from their number, and records of calls from the number of runs', () => {
    const { calls, authority } = compute(4_500, { callsPerMinute: 2, auditDays: 1 });
    expect(calls.podLines).toBe(2 * 1_440 * 500);
    expect(calls.lines).toBe(4_500 * calls.podLines);
    // A run is renewed after 450 s.
    expect(calls.podRecords).toBeCloseTo((86_400 / 450) * 7_000);
    expect(calls.volume).toBeCloseTo((4_500 * calls.podRecords) / authority.replicas / 0.7);
  });

  it('reserves the same memory for a webhook whatever the number of pods', () => {
    expect(compute(100).webhook.bytes).toBeCloseTo(150e6);
    expect(compute(50_000).webhook.bytes).toBe(compute(100).webhook.bytes);
  });

  it('throws if an idle replica exceeds its memory limit', () => {
    expect(() => compute(100, { memoryLimit: 64 * MIB })).toThrow(/memory limit/);
  });
});

describe('what the page is computed from', () => {
  it('is published, and positive', () => {
    const given = { costs: readUnitCosts(), chart: readChartDefaults() };
    for (const cost of Object.values(given.costs)) expect(cost).toBeGreaterThan(0);
    expect(given.chart).toEqual(chart);
    expect(renderSizingTable([100], assumptions, given)).toContain('| 100 pods');
  });
});

describe('measureCallRecords', () => {
  it('measures a line of at most 4 KiB, and a record with 64 used folders of at most 16 KiB', () => {
    const { line, record } = measureCallRecords();
    expect(line).toBeGreaterThan(400);
    expect(line).toBeLessThan(1_000);
    expect(record).toBeGreaterThan(64 * 'arn:aws:s3:::acme-data/customer-000000/'.length);
    expect(record).toBeLessThan(16 * 1024);
  });
});

describe('replaceSections', () => {
  const page = 'a\n\n<!-- make docs: x -->\n\nold\n\n<!-- end: x -->\nb';

  it('replaces what is between its comments, and nothing else', () => {
    expect(replaceSections(page, { x: 'new' })).toBe(page.replace('old', 'new'));
  });

  it('throws for a page without the comments', () => {
    expect(() => replaceSections(page, { y: 'new' })).toThrow(/make docs: y/);
  });
});
