import { statSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { computeMedian, computePercentile } from '../../../../test/kit/statistics.ts';
import { cluster, createNamespace, testContext } from '../../test-context.ts';
import { createApiConnections } from './api-connections.ts';
import type { ApiAnswer, ApiConnections } from './api-connections.ts';
import { buildOversizedPods } from './oversized-pods.ts';
import { formatSeconds, recordLoad } from './load-measurements.ts';
import { retryAttempts, waitFor } from '../../../../test/kit/retry.ts';
import { isInjected, parsePods } from './stored-pods.ts';
import { hasBothReady, readWebhookTimeoutMs } from './webhook-replicas.ts';

/** Concurrent creations, each on its own connection. */
const AT_ONCE = 200;
/** Number of workloads: pods of one workload declare the same tasks. */
const WORKLOADS = 10;
/**
 * Pairs of batches, with tasks and without, in alternating order. A batch leaves 100 MB in etcd, whose limit
 * is 2 GB and which compacts after five minutes.
 */
const PAIRS = 2;

const listFailures = (answers: ApiAnswer[]): string[] =>
  answers
    .filter(({ status }) => status !== 201)
    .map(({ status, body }) => `${status} ${body.slice(0, 500)}`);

/** Returns the size of the API server's audit log, or 0 on an external cluster. */
const readAuditedBytes = (): number =>
  testContext.node ? statSync(testContext.node.auditLog).size : 0;

const formatTimes = (answers: ApiAnswer[]): number[] =>
  answers.map(({ milliseconds }) => milliseconds);

describe(`${AT_ONCE} concurrent creations of pods with 16 tasks and the largest possible annotations`, () => {
  const withTasks: ApiAnswer[] = [];
  const withoutTasks: ApiAnswer[] = [];
  const injected: number[] = [];
  /** Responses to requests that were repeated. */
  const refusals: string[] = [];
  let path: string;
  let api: ApiConnections;
  let prepared: ReturnType<typeof buildOversizedPods>[];

  const create = (bodies: Buffer[], query = ''): Promise<ApiAnswer[]> =>
    Promise.all(bodies.map((body) => createOne(body, path + query)));

  const createOne = async (body: Buffer, to: string): Promise<ApiAnswer> => {
    const attempts = await retryAttempts(
      () => api.call({ method: 'POST', path: to, body }),
      // On a busy machine the API server may answer the webhook too late: the refusal says to try again.
      ({ status, body }) => status >= 500 || (status === 403 && body.includes(': try again')),
    );
    const said = attempts.map((each) => `${each.status} ${each.body.slice(0, 500)}`);
    refusals.push(...said.slice(0, -1));
    return attempts.at(-1) ?? attempts[0];
  };

  const removeAll = async (): Promise<void> => {
    const query = '?gracePeriodSeconds=0';
    const { status, body } = await api.call({ method: 'DELETE', path: path + query });
    if (status !== 200) throw new Error(`pods not removed: ${status} ${body.slice(0, 500)}`);
  };

  const createWith = async (): Promise<void> => {
    withTasks.push(...(await create(prepared.map((pods) => pods.withTasks))));
    const stored = parsePods((await api.call({ method: 'GET', path })).body);
    injected.push(stored.filter(isInjected).length);
    await removeAll();
  };

  const createWithout = async (): Promise<void> => {
    withoutTasks.push(...(await create(prepared.map((pods) => pods.withoutTasks))));
    await removeAll();
  };

  beforeAll(async () => {
    const namespace = await createNamespace('load');
    path = `/api/v1/namespaces/${namespace}/pods`;
    prepared = Array.from({ length: AT_ONCE }, (_, index) =>
      buildOversizedPods({ namespace, name: `oversized-${index}` }, index % WORKLOADS),
    );
    await waitFor('both replicas of the webhook', hasBothReady);
    api = await createApiConnections(cluster.kubeconfig, AT_ONCE);
    const first = prepared
      .slice(0, WORKLOADS)
      .flatMap((pods) => [pods.withTasks, pods.withoutTasks]);
    const audited = readAuditedBytes();
    expect(listFailures(await create(first, '?dryRun=All'))).toEqual([]);
    // With request bodies the log would become too long to search, and would distort the measurement. Other requests
    // of this time, more on a busy machine, are in the log too, but are far smaller than one of these bodies.
    expect((readAuditedBytes() - audited) / first.length).toBeLessThan(128 * 1024);
    for (let pair = 0; pair < PAIRS; pair += 1) {
      const batches = [createWith, createWithout];
      for (const batch of pair % 2 === 0 ? batches : batches.reverse()) await batch();
    }
  }, 600_000);

  afterAll(() => {
    api.close();
  });

  it('all succeed, and every pod is stored with its sidecar', () => {
    expect(listFailures([...withTasks, ...withoutTasks])).toEqual([]);
    expect(injected).toEqual(Array.from({ length: PAIRS }, () => AT_ONCE));
  });

  it('are refused only because a webhook did not respond in time', () => {
    const others = refusals.filter((said) => !/failed calling webhook|try again/.test(said));
    expect(others).toEqual([]);
  });

  it('have latencies, which are recorded as ratios to the same pods without tasks', async () => {
    const paddingBytes = prepared[0]?.paddingBytes ?? 0;
    const what = `${AT_ONCE} concurrent creations, 16 tasks and ${paddingBytes >> 10} KiB of foreign annotations each, relative to the same without tasks`;
    const compare = (name: string, of: (values: number[]) => number): void => {
      const [ours, theirs] = [of(formatTimes(withTasks)), of(formatTimes(withoutTasks))];
      const value = `${(ours / theirs).toFixed(2)} (${formatSeconds(ours)} : ${formatSeconds(theirs)})`;
      recordLoad(`${name} of ${what}`, value);
    };
    compare('p99', (values) => computePercentile(values, 0.99));
    compare('median', computeMedian);
    const allowed = await readWebhookTimeoutMs();
    const added = Math.max(...formatTimes(withTasks)) - Math.max(...formatTimes(withoutTasks));
    recordLoad(
      `added by the webhook to the slowest of ${AT_ONCE} creations at once`,
      `${formatSeconds(added)} of ${formatSeconds(allowed)} that the API server waits`,
    );
    recordLoad(
      `refused and tried again, of ${withTasks.length + withoutTasks.length}`,
      `${refusals.length}`,
    );
  });
});
