import { describe, expect, test } from '@jest/globals';

import { createLazySidecarMetrics } from './lazy-sidecar-metrics.ts';
import {
  createSidecarMetrics,
  SIDECAR_METRICS,
  type SidecarMetricsDeps,
} from './sidecar-metrics.ts';

const noRuns: SidecarMetricsDeps = {
  remainingSeconds: () => new Map(),
  authority: () => undefined,
};

describe('the metrics of the sidecar', () => {
  test('are those of its table, each with its help', async () => {
    const text = await createSidecarMetrics(noRuns).render();
    const names = [...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name);
    expect(names.toSorted()).toEqual(SIDECAR_METRICS.map(({ name }) => name).toSorted());
  });

  test('keep the conventions: units in names, counters in _total', () => {
    for (const { name, type, unit } of SIDECAR_METRICS) {
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (unit !== '1') expect(name).toMatch(new RegExp(`_${unit}$`));
    }
  });

  test('tell how runs ended, and the last skew', async () => {
    const metrics = createSidecarMetrics(noRuns);
    metrics.runEnded('summarize', 'expired');
    metrics.runEnded('summarize', 'expired');
    metrics.runEnded('summarize', 'completed');
    metrics.clockSkew(31.5);
    metrics.clockSkew(-2);
    const text = await metrics.render();
    const ended = 'valetkey_sidecar_runs_ended_total';
    expect(text).toContain(`${ended}{task="summarize",reason="expired"} 2`);
    expect(text).toContain(`${ended}{task="summarize",reason="completed"} 1`);
    expect(text).toContain('valetkey_sidecar_clock_skew_seconds -2');
  });

  test('tell what remains at the moment of the scrape, and of no task that holds nothing', async () => {
    const held = new Map([['summarize', 40]]);
    const metrics = createSidecarMetrics({ ...noRuns, remainingSeconds: () => held });
    const remaining = 'valetkey_sidecar_credentials_remaining_seconds{task="summarize"}';
    expect(await metrics.render()).toContain(`${remaining} 40`);
    held.clear();
    expect(await metrics.render()).not.toContain(remaining);
  });

  test('tell how the authority is heard, and nothing of one that there is not', async () => {
    const authority = () => ({ isConnected: true, disconnectedSeconds: 2.5 });
    const text = await createSidecarMetrics({ ...noRuns, authority }).render();
    expect(text).toContain('valetkey_sidecar_authority_connected 1');
    expect(text).toContain('valetkey_sidecar_authority_silence_seconds 2.5');
    const alone = await createSidecarMetrics(noRuns).render();
    expect(alone).not.toMatch(/^valetkey_sidecar_authority_/m);
  });

  test('that are loaded late know what happened before', async () => {
    const metrics = createLazySidecarMetrics(noRuns);
    metrics.countRequest('/v1/tasks', 200);
    metrics.exchangeEnded('summarize', 'issued', 0.2);
    metrics.packedPolicy('summarize', 12);
    metrics.clockSkew(1);
    metrics.runStarted('summarize');
    metrics.runEnded('summarize', 'terminated');
    metrics.revocationReceived();
    metrics.endReported('reported');
    await metrics.load();
    metrics.countRequest('/v1/tasks', 200);
    const text = await metrics.render();
    for (const sample of [
      'requests_total{route="/v1/tasks",code="200"} 2',
      'exchanges_total{task="summarize",outcome="issued"} 1',
      'exchange_duration_seconds_count{outcome="issued"} 1',
      'packed_policy_percent{task="summarize"} 12',
      'clock_skew_seconds 1',
      'runs_started_total{task="summarize"} 1',
      'runs_ended_total{task="summarize",reason="terminated"} 1',
      'revocations_received_total 1',
      'end_reports_total{outcome="reported"} 1',
    ]) {
      expect(text).toContain(`valetkey_sidecar_${sample}`);
    }
  });
});
