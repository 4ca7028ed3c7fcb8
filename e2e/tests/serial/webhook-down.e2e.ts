import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { listWebhookPods } from '../../release.ts';
import { applyObjects, execInPod, getJson, runKubectl, waitForPod } from '../../cluster/kubectl.ts';
import { deleteRevocation, createRevocation } from '../authority/revocation-objects.ts';
import { requestKeys, readRunKeys } from '../authority/sidecar-runs.ts';
import {
  buildAgentPod,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  readReports,
  expectApiRefusal,
  runPod,
  testContext,
} from '../test-context.ts';

const { namespace: home } = testContext.release;
const deployment = 'deployment/valetkey-webhook';

const scaleWebhook = (replicas: number) =>
  runKubectl(cluster, ['scale', deployment, '-n', home, `--replicas=${replicas}`]);

type Lease = { metadata: { name: string }; spec: { renewTime: string } };

/** Of every node, when it was last heard of. */
const readHeartbeats = async (): Promise<Map<string, string>> => {
  const { items } = await getJson<{ items: Lease[] }>(cluster, ['leases', '-n', 'kube-node-lease']);
  return new Map(items.map(({ metadata, spec }) => [metadata.name, spec.renewTime]));
};

describe(`with no webhook at all (${cloud.name})`, () => {
  let namespace: string;

  beforeAll(async () => {
    namespace = await createNamespace('webhook-away');
    await runPod({ name: 'before', namespace, tasks: { read: readReports } });
    await runPod({ name: 'other', namespace });
    await scaleWebhook(0);
    await waitFor('every replica to be gone', async () => {
      const pods = await listWebhookPods(cluster, home);
      return pods.length === 0;
    });
  });

  afterAll(async () => {
    await scaleWebhook(2);
    const rollout = ['rollout', 'status', deployment, '-n', home, '--timeout=300s'];
    await runKubectl(cluster, rollout, { timeoutMs: 310_000 });
  });

  test('a pod without tasks is created, scheduled and run as ever', async () => {
    await runPod({ name: 'plain', namespace });
  });

  test('a pod without tasks that brings a cloud’s own token is, too', async () => {
    const audience = 'sts.amazonaws.com';
    const mountPath = '/var/run/secrets/eks.amazonaws.com/serviceaccount';
    const pod = buildAgentPod({ name: 'irsa', namespace });
    const [container] = pod.spec.containers;
    const source = { serviceAccountToken: { audience, expirationSeconds: 86_400, path: 'token' } };
    await applyObjects(cluster, {
      ...pod,
      spec: {
        ...pod.spec,
        volumes: [{ name: 'aws-iam-token', projected: { sources: [source] } }],
        containers: [
          {
            ...container,
            env: [
              { name: 'AWS_ROLE_ARN', value: 'arn:aws:iam::111122223333:role/other' },
              { name: 'AWS_WEB_IDENTITY_TOKEN_FILE', value: `${mountPath}/token` },
            ],
            volumeMounts: [{ name: 'aws-iam-token', mountPath, readOnly: true }],
          },
        ],
      },
    });
    await waitForPod(cluster, { namespace, pod: 'irsa' });
  });

  test('people enter every container but a sidecar', async () => {
    await execInPod(cluster, { namespace, pod: 'other' }, ['/bin/true']);
    await execInPod(cluster, { namespace, pod: 'before', container: 'agent' }, ['/bin/true']);
    const sidecar = { namespace, pod: 'before', container: 'valetkey-sidecar' };
    await expect(execInPod(cluster, sidecar, ['/bin/true'])).rejects.toThrow('(rule 11)');
  });

  test('nodes are heard of', async () => {
    const before = await readHeartbeats();
    expect(before.size).toBeGreaterThan(0);
    await waitFor('every node to renew its lease', async () => {
      const now = await readHeartbeats();
      return [...before].every(([node, renewTime]) => (now.get(node) ?? '') > renewTime);
    });
  });

  test('a pod with tasks is not created', async () => {
    const pod = buildAgentPod({ name: 'declared', namespace, tasks: { read: readReports } });
    expect(await expectApiRefusal(pod)).toContain('failed calling webhook');
  });

  test('what breaks a rule is refused with its reason even so', async () => {
    const pod = buildAgentPod({ name: 'pretender', namespace, spec: { hostPID: true } });
    const volumes = [{ name: 'valetkey-token', emptyDir: {} }];
    const refusal = await expectApiRefusal({ ...pod, spec: { ...pod.spec, volumes } });
    expect(refusal).toContain('/spec/hostPID: expected false or nothing, got true (rule 3)');
  });

  test('a running pod keeps its credentials', async () => {
    const place = { namespace, pod: 'before' };
    await expectRead(place);
  });

  if (testContext.trust.kind === 'authority') {
    test('a Revocation reaches it all the same', async () => {
      const place = { namespace, pod: 'before' };
      const name = `webhook-away-${testContext.entry}`;
      await deleteRevocation(name);
      await readRunKeys(place);
      await createRevocation(name, { pod: { namespace, name: place.pod } });
      await waitFor('its sidecar to refuse', async () => (await requestKeys(place)).status === 403);
      await deleteRevocation(name);
    });
  }
});
