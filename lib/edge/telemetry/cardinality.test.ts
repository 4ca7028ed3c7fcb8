import { describe, expect, it } from '@jest/globals';

import { RUN_ENDS } from '../../contract/authority-api.ts';
import { BUDGET_KINDS, MAX_TASKS } from '../../contract/task.ts';
import { REFUSALS } from '../../exchange/refusal-table.ts';
import { AUTHORITY_METRICS, createAuthorityMetrics } from './authority-metrics.ts';
import { createSidecarMetrics, SIDECAR_METRICS } from './sidecar-metrics.ts';
import { createWebhookMetrics, WEBHOOK_METRICS } from './webhook-metrics.ts';

/** Labels with a closed set of values. A task is one of the pod's own, at most 16. */
const BOUNDED_LABELS = [
  ...['code', 'controller', 'kind', 'operation', 'outcome', 'problem', 'reason', 'resource'],
  ...['gate', 'route', 'state', 'task', 'version'],
  // Issuers of the settings, at most eight.
  'transmitter',
  // In and out; the 445 signing names of the tables; at most 64 permits; 4 kinds of sources; at most 256
  // Upstreams, which the platform declares.
  ...['direction', 'service', 'policy', 'source', 'upstream'],
];

const countSeries = (text: string): number =>
  text.split('\n').filter((line) => /^[a-z]/.test(line)).length;

const read = () => ({ used: 1, max: 2 });

const renderFullWebhook = (): Promise<string> => {
  const metrics = createWebhookMetrics({
    now: () => 0,
    readIds: () => ({}),
    secondsSinceSync: { 'injection-templates': () => 1, taskpolicies: () => 1 },
  });
  const rules = Array.from({ length: 13 }, (_, index) => String(index + 1));
  const reasons = [...rules, 'declaration', 'policy', 'several', 'other', 'none'];
  for (const operation of ['mutate', 'validate', 'validate-policy', 'warn-workload'] as const) {
    for (const outcome of ['patched', 'allowed', 'errored', 'malformed'] as const)
      metrics.admissionAnswered({ operation, outcome, reason: 'none', seconds: 1 });
    for (const reason of reasons)
      metrics.admissionAnswered({ operation, outcome: 'denied', reason, seconds: 1 });
  }
  metrics.certificate({ notAfter: 1, isTrusted: true });
  metrics.measureCapacity('connections', read);
  metrics.policyTasksQueued(1);
  return metrics.render();
};

const renderFullAuthority = (): Promise<string> => {
  const metrics = createAuthorityMetrics({
    now: () => 0,
    readIds: () => ({}),
    secondsSinceSync: {
      taskpolicies: () => 1,
      revocations: () => 1,
      upstreams: () => 0,
      'injection-templates': () => 1,
    },
    transmitters: Array.from({ length: 8 }, (_, index) => `https://events.example/${index}`),
    readAuditVolume: () => Promise.resolve({ sizeBytes: 2, freeBytes: 1 }),
  });
  const refusals = Object.entries<{ readonly status: number }>({
    ...REFUSALS,
    none: { status: 200 },
  });
  for (const route of ['token', 'revoke', 'events', 'other'] as const)
    for (const [reason, { status }] of refusals)
      metrics.requestAnswered({ route, reason, status, seconds: 1, run: undefined });
  const resources = ['connections', 'event_streams', 'token_verifications', 'audit_queue'] as const;
  for (const resource of resources) metrics.measureCapacity(resource, read);
  for (const controller of [
    'certificate',
    'signing-keys',
    'audit-export',
    'database-roles',
    'other',
  ] as const)
    metrics.reconcileFailed(controller);
  for (let index = 0; index < 100; index += 1)
    metrics.databaseRolesCounted(`server-${index}`, { active: 1, overdue: 0 });
  metrics.certificate({ notAfter: 1, isTrusted: true });
  metrics.taskPoliciesCounted({ total: 2, invalid: 1 });
  return metrics.render();
};

/** @param tasks number of tasks of the pod */
const renderFullSidecar = (tasks: number): Promise<string> => {
  const names = Array.from({ length: tasks }, (_, index) => `task-${index}`);
  const metrics = createSidecarMetrics({
    tasks: names,
    readExpirations: () => new Map(names.map((name) => [name, 1])),
    readBudgetShares: () =>
      names.flatMap((task) => BUDGET_KINDS.map((kind) => ({ task, kind, ratio: 1 }))),
    readGates: () => [{ gate: 'ask' }],
    authority: () => ({ isConnected: true, lastContactAt: 1 }),
    gateway: () => ({
      callsInFlight: 1,
      bufferedBytes: 1,
      upstreamConnections: 1,
      journalBlocked: 0,
    }),
  });
  for (const task of names) {
    for (const outcome of ['issued', 'refused', 'unavailable', 'abandoned'])
      metrics.exchangeEnded({ task, outcome, seconds: 1, ids: {} });
    for (const reason of ['expired', 'revoked', ...RUN_ENDS]) metrics.runEnded(task, reason);
    metrics.packedPolicy(task, 1);
    metrics.runStarted(task);
  }
  return metrics.render();
};

describe('label cardinality', () => {
  it.each([...WEBHOOK_METRICS, ...AUTHORITY_METRICS, ...SIDECAR_METRICS])(
    '$name has only labels with a closed set of values',
    ({ labels }) => {
      expect(labels.filter((label) => !BOUNDED_LABELS.includes(label))).toEqual([]);
    },
  );

  it('has at most 300 series for a webhook replica and 900 for an authority replica', async () => {
    expect(countSeries(await renderFullWebhook())).toBeLessThanOrEqual(300);
    expect(countSeries(await renderFullAuthority())).toBeLessThanOrEqual(900);
  });

  it('has at most 100 series for a sidecar with one task, 50,000 for 500 pods', async () => {
    expect(countSeries(await renderFullSidecar(1))).toBeLessThanOrEqual(100);
    expect(countSeries(await renderFullSidecar(MAX_TASKS))).toBeLessThanOrEqual(400);
  });
});
