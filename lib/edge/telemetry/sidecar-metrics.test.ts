import { describe, expect, it } from '@jest/globals';

import { VERSION } from '../../contract/version.ts';
import { createLazySidecarMetrics } from './lazy-sidecar-metrics.ts';
import {
  createSidecarMetrics,
  SIDECAR_METRICS,
  type SidecarMetricsDeps,
} from './sidecar-metrics.ts';

const noRuns: SidecarMetricsDeps = {
  tasks: [],
  readExpirations: () => new Map(),
  readBudgetShares: () => [],
  readGates: () => undefined,
  authority: () => undefined,
  gateway: () => undefined,
};

describe('createSidecarMetrics', () => {
  it('registers every documented metric with its help text', async () => {
    const text = await createSidecarMetrics(noRuns).render();
    const names = [...text.matchAll(/^# HELP (\S+) \S/gm)].map(([, name]) => name);
    expect(names.toSorted()).toEqual(SIDECAR_METRICS.map(({ name }) => name).toSorted());
  });

  it('follows the naming conventions: base units as suffix, _total for counters', () => {
    for (const { name, type, unit } of SIDECAR_METRICS) {
      expect(name.endsWith('_total')).toBe(type === 'counter');
      if (unit !== '1') expect(name).toMatch(new RegExp(`_${unit}(_total)?$`));
    }
  });

  it('reports the version of the program', async () => {
    const text = await createSidecarMetrics(noRuns).render();
    expect(text).toContain(`valetkey_build_info{version="${VERSION}"} 1`);
  });

  it('reports the gates of active runs by what they do, and none without the authority', async () => {
    const gates = [{ gate: 'ask' }, { gate: 'deny' }, { gate: 'ask' }] as const;
    const text = await createSidecarMetrics({ ...noRuns, readGates: () => gates }).render();
    expect(text).toContain('valetkey_sidecar_gates{gate="deny"} 1');
    expect(text).toContain('valetkey_sidecar_gates{gate="ask"} 2');
    expect(await createSidecarMetrics(noRuns).render()).not.toContain('valetkey_sidecar_gates{');
  });

  it('counts ended runs by reason and reports the last clock skew', async () => {
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

  it('reports the deadline of the credentials of a task, and no sample without credentials', async () => {
    const expirations = new Map([['summarize', 1_900_000_000_500]]);
    const metrics = createSidecarMetrics({ ...noRuns, readExpirations: () => expirations });
    const name = 'valetkey_sidecar_credentials_expiration_timestamp_seconds{task="summarize"}';
    expect(await metrics.render()).toContain(`${name} 1900000000.5`);
    expirations.clear();
    expect(await metrics.render()).not.toContain(name);
  });

  it('reports the connection to the authority, and no sample without an authority', async () => {
    const authority = () => ({ isConnected: true, lastContactAt: 1_900_000_002_500 });
    const text = await createSidecarMetrics({ ...noRuns, authority }).render();
    expect(text).toContain('valetkey_sidecar_authority_connected 1');
    expect(text).toContain(
      'valetkey_sidecar_authority_last_contact_timestamp_seconds 1900000002.5',
    );
    const withoutAuthority = await createSidecarMetrics(noRuns).render();
    expect(withoutAuthority).not.toMatch(/^valetkey_sidecar_authority_/m);
  });
});

describe('createLazySidecarMetrics', () => {
  it('includes what happened before the metrics were loaded', async () => {
    const metrics = createLazySidecarMetrics(noRuns);
    metrics.countRequest('/v1/tasks', 200);
    metrics.exchangeEnded({ task: 'summarize', outcome: 'issued', seconds: 0.2, ids: {} });
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
      'packed_policy_ratio{task="summarize"} 0.12',
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
