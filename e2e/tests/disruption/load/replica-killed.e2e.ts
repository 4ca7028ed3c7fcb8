import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../../test/kit/retry.ts';
import { startFaultRecord } from '../../../faults/cluster-faults.ts';
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
if (node === undefined)
  throw new Error('expected a cluster on this machine: a process of its node is killed');

const CREATIONS = 3_000;
/** Requests in flight. */
const CONCURRENCY = 32;

describe(`${CREATIONS} pod creations while one of two webhook replicas is killed`, () => {
  let api: ApiConnections;
  let victim: WebhookReplica;
  /** Reviews that the killed replica had answered, at the start and when it was killed. */
  const reviews: number[] = [];
  let creations: Creation[];
  let killedAt = 0;

  const countReviews = async (): Promise<void> => {
    const { body } = await api.call({ method: 'GET', path: buildMetricsPath(victim) });
    reviews.push(parseReviewCount(body));
  };

  const kill = async (): Promise<void> => {
    await countReviews();
    await killContainer(node, victim);
    killedAt = performance.now();
  };

  /** Seconds from the kill to the last refusal because of it. */
  const computeRecoverySeconds = (): number => {
    const refusals = listAttempts('refused').map(({ endedAt }) => endedAt);
    return refusals.reduce((last, at) => Math.max(last, at - killedAt), 0) / 1000;
  };

  const listAttempts = (outcome: Attempt['outcome']): Attempt[] =>
    creations.flat().filter((attempt) => attempt.outcome === outcome);

  const countLost = (): number =>
    creations.filter((attempts) => attempts.at(-1)?.outcome !== 'injected').length;

  beforeAll(async () => {
    const namespace = await createNamespace('killed');
    await waitFor('two ready replicas', hasBothReady);
    const [first] = await listWebhookReplicas();
    if (first === undefined) throw new Error('expected a webhook replica, found none');
    victim = first;
    api = await createApiConnections(cluster.kubeconfig, CONCURRENCY + 1);
    await countReviews();
    const record = startFaultRecord(testContext, 'webhook-killed');
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
    recordLoad(
      `requests were refused and repeated in ${what}`,
      `${listAttempts('refused').length}`,
    );
    const gapMs = findLongestGap(creations, startedAt);
    recordLoad(`longest gap without a success in ${what}`, `${formatSeconds(gapMs)} of ${took}`);
    const delayed = creations.filter((attempts) => attempts.length > 1);
    record({
      recoverySeconds: computeRecoverySeconds(),
      figures: [
        { name: 'creations of pods', value: CREATIONS, unit: '' },
        { name: '… that were refused at the first attempt', value: delayed.length, unit: '' },
        { name: '… that were refused although they were repeated', value: countLost(), unit: '' },
        { name: '… without a sidecar', value: listAttempts('bare').length, unit: '' },
        { name: 'longest time without a created pod', value: gapMs / 1000, unit: 's' },
      ],
    });
  }, 600_000);

  afterAll(async () => {
    api.close();
    await waitFor('two ready replicas', hasBothReady);
  });

  it('reach the killed replica before, for a good part of them', () => {
    const [atFirst = NaN, atHalf = NaN] = reviews;
    expect(atHalf - atFirst).toBeGreaterThan(CREATIONS / 10);
  });

  it('continue while the killed replica restarts', async () => {
    await waitFor('a restart of its container', async () => {
      const now = (await listWebhookReplicas()).find(({ pod }) => pod === victim.pod);
      return (now?.restartCount ?? 0) > victim.restartCount;
    });
  });

  it('never admit a pod without its sidecar', () => {
    expect(listAttempts('injected').length).toBeGreaterThan(0);
    expect(listAttempts('bare')).toEqual([]);
  });

  it('are refused only because a webhook did not respond', () => {
    const others = listAttempts('refused').filter(
      ({ message }) => !message.includes('failed calling webhook'),
    );
    expect(others).toEqual([]);
  });

  it('succeed when they are repeated', () => {
    expect(creations).toHaveLength(CREATIONS);
    expect(countLost()).toBe(0);
  });
});
