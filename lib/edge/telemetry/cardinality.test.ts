import { describe, expect, it } from '@jest/globals';

import { CALL_REFUSALS } from '../../calls/call-refusals.ts';
import { CALL_OUTCOMES, RUN_ENDS } from '../../contract/authority-api.ts';
import { BUDGET_KINDS, MAX_TASKS } from '../../contract/task.ts';
import { REFUSALS } from '../../exchange/refusal-table.ts';
import { RULES } from '../../injection/rules/rules.ts';
import {
  AUTHORITY_CONTROLLERS,
  AUTHORITY_METRICS,
  AUTHORITY_ROUTES,
  createAuthorityMetrics,
  SIGNAL_OUTCOMES,
} from './authority-metrics.ts';
import { MAX_SERIES, type MetricSpec } from './metric-spec.ts';
import {
  createSidecarMetrics,
  MAX_CALL_CODES,
  MAX_SERVICES,
  SIDECAR_METRICS,
} from './sidecar-metrics.ts';
import { createWebhookMetrics, WEBHOOK_METRICS } from './webhook-metrics.ts';

/** Labels with a closed set of values. A task is one of the pod's own, at most 16. */
const BOUNDED_LABELS = [
  ...['code', 'controller', 'kind', 'operation', 'outcome', 'problem', 'reason', 'resource'],
  ...['gate', 'route', 'state', 'task', 'version'],
  // Issuers of the settings, at most eight.
  'transmitter',
  // In and out; at most 16 signing names; at most 64 permits; 4 kinds of sources; at most 256 Upstreams, which
  // the platform declares.
  ...['direction', 'service', 'policy', 'source', 'upstream'],
];

/** The garbage collector fills it, which no test can order: four kinds, each with its buckets and three more. */
const GARBAGE_COLLECTION = 'nodejs_gc_duration_seconds';
const MAX_GARBAGE_COLLECTION_SERIES = 4 * (6 + 3);

const toSampleName = (line: string): string => /^\w+/.exec(line)?.[0] ?? '';

const listSamples = (text: string): readonly string[] =>
  text.split('\n').filter((line) => /^[a-z]/.test(line) && !line.startsWith(GARBAGE_COLLECTION));

const countSeries = (text: string): number =>
  listSamples(text).length +
  (text.includes(GARBAGE_COLLECTION) ? MAX_GARBAGE_COLLECTION_SERIES : 0);

/** @returns metrics of a program without a series, which its full rendering has to fill */
const listEmpty = (text: string, metrics: readonly MetricSpec[]): readonly string[] => {
  const rendered = new Set(listSamples(text).map(toSampleName));
  return metrics
    .map(({ name, type }) => (type === 'histogram' ? `${name}_count` : name))
    .filter((name) => !rendered.has(name) && name !== `${GARBAGE_COLLECTION}_count`);
};

const list = <T>(length: number, build: (index: number) => T): readonly T[] =>
  Array.from({ length }, (_, index) => build(index));

const read = () => ({ used: 1, max: 2 });

const renderFullWebhook = (): Promise<string> => {
  const metrics = createWebhookMetrics({
    now: () => 0,
    readIds: () => ({}),
    secondsSinceSync: { 'injection-templates': () => 1, taskpolicies: () => 1 },
  });
  const rules = RULES.map(({ id }) => id);
  const reasons = [...rules, 'declaration', 'policy', 'upstream', 'several', 'other', 'none'];
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

const createFullAuthority = () =>
  createAuthorityMetrics({
    now: () => 0,
    readIds: () => ({}),
    secondsSinceSync: {
      taskpolicies: () => 1,
      revocations: () => 1,
      upstreams: () => 0,
      'injection-templates': () => 1,
    },
    transmitters: list(8, (index) => `https://events.example/${index}`),
    readAuditVolume: () => Promise.resolve({ sizeBytes: 2, freeBytes: 1 }),
  });

type Authority = ReturnType<typeof createFullAuthority>;

/** As if each route gave each refusal. */
const fillRequests = (metrics: Authority): void => {
  const refusals = Object.entries<{ readonly status: number }>({
    ...REFUSALS,
    none: { status: 200 },
  });
  for (const route of AUTHORITY_ROUTES)
    for (const [reason, { status }] of refusals)
      metrics.requestAnswered({ route, reason, status, seconds: 1, run: undefined });
};

/** What clusters have more of than an authority shows. */
const fillObjects = (metrics: Authority): void => {
  const age = { maxAgeSeconds: 1, changedAtMs: 1 };
  metrics.upstreamsChecked(list(300, (index) => ({ name: `server-${index}`, isReady: true, age })));
  metrics.policyExceptions(
    list(100, (index) => ({ policy: `permit-${index}`, endsAt: index + 1 })),
  );
  for (const name of list(100, (index) => `server-${index}`))
    metrics.databaseRolesCounted(name, { active: 1, overdue: 0 });
};

const fillOutcomes = (metrics: Authority): void => {
  for (const controller of AUTHORITY_CONTROLLERS) metrics.reconcileFailed(controller);
  for (const outcome of SIGNAL_OUTCOMES) metrics.signalAnswered(undefined, outcome);
  const codes = [
    ...(['secret_unavailable', 'secret_origin_mismatch', 'secret_invalid'] as const),
    ...(['provider_refused', 'fetched', 'internal_error'] as const),
  ];
  for (const source of ['kubernetes', 'vault', 'oauth', 'githubApp'] as const)
    for (const code of codes) metrics.secretFetched(source, code);
};

const renderFullAuthority = (): Promise<string> => {
  const metrics = createFullAuthority();
  fillRequests(metrics);
  fillObjects(metrics);
  fillOutcomes(metrics);
  const resources = ['connections', 'event_streams', 'token_verifications', 'audit_queue'] as const;
  for (const resource of resources) metrics.measureCapacity(resource, read);
  metrics.signingKeyProblems([
    ...['rotation_blocked', 'published_keys_stale', 'published_keys_unreadable'],
  ]);
  metrics.certificate({ notAfter: 1, isTrusted: true });
  metrics.taskPoliciesCounted({ total: 2, invalid: 1 });
  metrics.approvalsListed({ states: ['pending'], unreviewed: 1 });
  return metrics.render();
};

const ROUTES = [
  ...['/v1/credentials', '/v1/tasks', '/v1/tasks/{task}/credentials', '/v1/tasks/{task}/runs'],
  ...['/v1/runs/{run}', '/v1/runs/{run}/credentials', '/v1/runs/{run}/delegations'],
  ...['/v1/refusals/{id}', '/v1/proposals', 'other'],
];
const STATUSES = [
  ...[200, 201, 202, 204, 400, 401, 403, 404, 405, 409, 413, 415, 429, 431, 500, 503],
];

const createFullSidecar = (tasks: readonly string[]) =>
  createSidecarMetrics({
    tasks,
    readExpirations: () => new Map(tasks.map((name) => [name, 1])),
    readBudgetShares: () =>
      tasks.flatMap((task) => BUDGET_KINDS.map((kind) => ({ task, kind, ratio: 1 }))),
    readGates: () => [{ gate: 'ask' }],
    authority: () => ({ isConnected: true, lastContactAt: 1 }),
    gateway: () => ({
      callsInFlight: 1,
      bufferedBytes: 1,
      upstreamConnections: 1,
      journalBlocked: 0,
    }),
  });

type Sidecar = ReturnType<typeof createFullSidecar>;

const CALL = {
  ...{ id: '1', permissions: [], isResolved: false },
  ...{ bytesIn: 1, bytesOut: 1, ms: 1, overheadMs: 1 },
};

/** As if a consumer met each refusal, before and after its task was known, in calls of every service. */
const fillCalls = (metrics: Sidecar, tasks: readonly string[]): void => {
  for (const task of [undefined, ...tasks])
    for (const outcome of CALL_OUTCOMES)
      for (const code of Object.keys(CALL_REFUSALS))
        metrics.callEnded({ ...CALL, task, outcome, code, service: `service-${code}` });
};

/** @param count number of tasks of the pod */
const renderFullSidecar = (count: number): Promise<string> => {
  const tasks = list(count, (index) => `task-${index}`);
  const metrics = createFullSidecar(tasks);
  for (const task of tasks) {
    for (const outcome of ['issued', 'refused', 'unavailable', 'abandoned'])
      metrics.exchangeEnded({ task, outcome, seconds: 1, ids: {} });
    for (const reason of ['expired', 'revoked', ...RUN_ENDS]) metrics.runEnded(task, reason);
    metrics.packedPolicy(task, 1);
    metrics.runStarted(task);
  }
  for (const route of ROUTES) for (const status of STATUSES) metrics.countRequest(route, status);
  for (const outcome of ['reported', 'refused', 'given_up']) metrics.endReported(outcome);
  metrics.peerChecked(true);
  fillCalls(metrics, tasks);
  return metrics.render();
};

describe('label cardinality', () => {
  it.each([...WEBHOOK_METRICS, ...AUTHORITY_METRICS, ...SIDECAR_METRICS])(
    '$name has only labels with a closed set of values',
    ({ labels }) => {
      expect(labels.filter((label) => !BOUNDED_LABELS.includes(label))).toEqual([]);
    },
  );

  it.each([
    { program: 'webhook', render: renderFullWebhook, metrics: WEBHOOK_METRICS },
    { program: 'authority', render: renderFullAuthority, metrics: AUTHORITY_METRICS },
    { program: 'sidecar', render: () => renderFullSidecar(1), metrics: SIDECAR_METRICS },
  ] as const)(
    'has at most the published number of series for a $program whose metrics are all in use',
    async ({ program, render, metrics }) => {
      const text = await render();
      expect(listEmpty(text, metrics)).toEqual([]);
      expect(countSeries(text)).toBeLessThanOrEqual(MAX_SERIES[program]);
    },
  );

  it('has at most 1,100 series for a sidecar with as many tasks as a pod may have', async () => {
    expect(countSeries(await renderFullSidecar(MAX_TASKS))).toBeLessThanOrEqual(1_100);
  });

  it('counts rare codes and services of calls as "other", and the codes that alerts count', async () => {
    const metrics = createFullSidecar(['work']);
    fillCalls(metrics, ['work']);
    metrics.callEnded({ ...CALL, task: 'work', outcome: 'cut', code: 'secret_echoed' });
    const samples = listSamples(await metrics.render());
    const calls = samples.filter((line) =>
      line.startsWith('valetkey_sidecar_calls_total{task="work"'),
    );
    const others = calls.filter((line) => line.includes('code="other"'));
    expect(calls.length - others.length).toBeLessThanOrEqual(MAX_CALL_CODES);
    expect(others.length).toBeGreaterThan(0);
    expect(calls).toContain(
      'valetkey_sidecar_calls_total{task="work",outcome="cut",code="secret_echoed"} 2',
    );
    const services = samples.filter((line) => line.includes('_resources_unresolved_total'));
    expect(services).toHaveLength(MAX_SERVICES + 1);
  });
});
