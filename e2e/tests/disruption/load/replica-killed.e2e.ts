import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '../../../../test/kit/retry.ts';
import { killContainer } from '../../node-access.ts';
import { cluster, createNamespace, testContext } from '../../test-context.ts';
import { createApiConnections } from './api-connections.ts';
import type { ApiConnections } from './api-connections.ts';
import { createAllAsDryRun, findLongestGap } from './dry-creations.ts';
import type { Attempt, Creation } from './dry-creations.ts';
import { buildLightPod } from './oversized-pods.ts';
import { formatSeconds, recordLoad } from './load-measurements.ts';
import {
  hasBothReady,
  buildMetricsPath,
  parseReviewCount,
  listWebhookReplicas,
} from './webhook-replicas.ts';
import type { WebhookReplica } from './webhook-replicas.ts';

const { node } = testContext;
if (node === undefined) throw new Error('only on a node of ours can a process be killed');

const CREATIONS = 3_000;
/** Under way at once. */
const CONCURRENCY = 32;

describe(`${CREATIONS} creations through two replicas while one is killed`, () => {
  let api: ApiConnections;
  let victim: WebhookReplica;
  /** That the victim had answered, at the beginning and when it was killed. */
  const reviews: number[] = [];
  let creations: Creation[];

  const countReviews = async (): Promise<void> => {
    const { body } = await api.call({ method: 'GET', path: buildMetricsPath(victim) });
    reviews.push(parseReviewCount(body));
  };

  const kill = async (): Promise<void> => {
    await countReviews();
    await killContainer(node, victim);
  };

  const of = (outcome: Attempt['outcome']): Attempt[] =>
    creations.flat().filter((attempt) => attempt.outcome === outcome);

  beforeAll(async () => {
    const namespace = await createNamespace('killed');
    await waitFor('both replicas of the webhook', hasBothReady);
    const [first] = await listWebhookReplicas();
    if (first === undefined) throw new Error('there is no replica to kill');
    victim = first;
    api = await createApiConnections(cluster.kubeconfig, CONCURRENCY + 1);
    await countReviews();
    const pods = Array.from({ length: CREATIONS }, (_, index) =>
      buildLightPod({ namespace, name: `light-${index}` }),
    );
    const path = `/api/v1/namespaces/${namespace}/pods`;
    const startedAt = performance.now();
    creations = await createAllAsDryRun(api, {
      path,
      pods,
      concurrency: CONCURRENCY,
      atHalf: kill,
    });
    const took = formatSeconds(performance.now() - startedAt);
    const what = `${CREATIONS} creations while one of two replicas of the webhook is killed`;
    recordLoad(`of ${what} were refused and tried again`, `${of('refused').length}`);
    const gap = formatSeconds(findLongestGap(creations, startedAt));
    recordLoad(`without a success at the longest, in ${what}`, `${gap} of ${took}`);
  }, 600_000);

  afterAll(async () => {
    api.close();
    await waitFor('the successor of the killed replica', hasBothReady);
  });

  test('that one had a good part of them before', () => {
    const [atFirst = NaN, atHalf = NaN] = reviews;
    expect(atHalf - atFirst).toBeGreaterThan(CREATIONS / 10);
  });

  test('and begins anew', async () => {
    await waitFor('its container to be restarted', async () => {
      const now = (await listWebhookReplicas()).find(({ pod }) => pod === victim.pod);
      return (now?.restartCount ?? 0) > victim.restartCount;
    });
  });

  test('no pod is admitted without its sidecar', () => {
    expect(of('injected').length).toBeGreaterThan(0);
    expect(of('bare')).toEqual([]);
  });

  test('who is refused is told that a webhook did not answer', () => {
    const others = of('refused').filter(
      ({ message }) => !message.includes('failed calling webhook'),
    );
    expect(others).toEqual([]);
  });

  test('who tries again is admitted', () => {
    expect(creations).toHaveLength(CREATIONS);
    expect(creations.filter((attempts) => attempts.at(-1)?.outcome !== 'injected')).toEqual([]);
  });
});
