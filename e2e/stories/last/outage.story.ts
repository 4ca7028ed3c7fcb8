import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { webhookPods } from '../../release.ts';
import { kubectl, waitFor } from '../../cluster/kubectl.ts';
import {
  agentPod,
  askCloud,
  cloud,
  cluster,
  createNamespace,
  readReports,
  refusalOf,
  runPod,
  stage,
} from '../stage.ts';

const { namespace: home } = stage.release;
const deployment = 'deployment/valetkey-webhook';

const scale = (replicas: number) =>
  kubectl(cluster, ['scale', deployment, '-n', home, `--replicas=${replicas}`]);

describe(`with no webhook at all (${cloud.name})`, () => {
  let namespace: string;

  beforeAll(async () => {
    namespace = await createNamespace('outage');
    await runPod({ name: 'before', namespace, tasks: { read: readReports } });
    await scale(0);
    await waitFor('every replica to be gone', async () => {
      const pods = await webhookPods(cluster, home);
      return pods.length === 0;
    });
  });

  afterAll(async () => {
    await scale(2);
    const rollout = ['rollout', 'status', deployment, '-n', home, '--timeout=90s'];
    await kubectl(cluster, rollout);
  });

  test('a pod without tasks is created as ever', async () => {
    await runPod({ name: 'plain', namespace });
  });

  test('a pod with tasks is not created', async () => {
    const pod = agentPod({ name: 'declared', namespace, tasks: { read: readReports } });
    expect(await refusalOf(pod)).toContain('failed calling webhook');
  });

  test('a running pod keeps its credentials', async () => {
    const place = { namespace, pod: 'before' };
    expect(await askCloud(place, 'get', 'reports/q3.csv')).toEqual({ status: 200 });
  });
});
