import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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

/** Reads the time of the last heartbeat of every node. */
const readHeartbeats = async (): Promise<Map<string, string>> => {
  const { items } = await getJson<{ items: Lease[] }>(cluster, ['leases', '-n', 'kube-node-lease']);
  return new Map(items.map(({ metadata, spec }) => [metadata.name, spec.renewTime]));
};

describe(`a cluster without a webhook replica (${cloud.name})`, () => {
  let namespace: string;

  beforeAll(async () => {
    namespace = await createNamespace('webhook-down');
    await runPod({ name: 'before', namespace, tasks: { read: readReports } });
    await runPod({ name: 'other', namespace });
    await scaleWebhook(0);
    await waitFor('termination of every replica', async () => {
      const pods = await listWebhookPods(cluster, home);
      return pods.length === 0;
    });
  });

  afterAll(async () => {
    await scaleWebhook(2);
    const rollout = ['rollout', 'status', deployment, '-n', home, '--timeout=300s'];
    await runKubectl(cluster, rollout, { timeoutMs: 310_000 });
  });

  it('creates and runs pods without tasks', async () => {
    await runPod({ name: 'plain', namespace });
  });

  it('creates and runs pods without tasks that project a token for another cloud', async () => {
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

  it('allows exec into every container except a sidecar', async () => {
    await execInPod(cluster, { namespace, pod: 'other' }, ['/bin/true']);
    await execInPod(cluster, { namespace, pod: 'before', container: 'agent' }, ['/bin/true']);
    const sidecar = { namespace, pod: 'before', container: 'valetkey-sidecar' };
    await expect(execInPod(cluster, sidecar, ['/bin/true'])).rejects.toThrow('(rule 11)');
  });

  it('receives heartbeats of nodes', async () => {
    const before = await readHeartbeats();
    expect(before.size).toBeGreaterThan(0);
    await waitFor('every node to renew its lease', async () => {
      const now = await readHeartbeats();
      return [...before].every(([node, renewTime]) => (now.get(node) ?? '') > renewTime);
    });
  });

  it('refuses pods with tasks', async () => {
    const pod = buildAgentPod({ name: 'declared', namespace, tasks: { read: readReports } });
    expect(await expectApiRefusal(pod)).toContain('failed calling webhook');
  });

  it('refuses pods that break a rule of the admission policies, with the reason', async () => {
    const pod = buildAgentPod({ name: 'pretender', namespace, spec: { hostPID: true } });
    const volumes = [{ name: 'valetkey-token', emptyDir: {} }];
    const refusal = await expectApiRefusal({ ...pod, spec: { ...pod.spec, volumes } });
    expect(refusal).toContain('/spec/hostPID: expected false or nothing, got true (rule 3)');
  });

  it('keeps the credentials of running pods valid', async () => {
    const place = { namespace, pod: 'before' };
    await expectRead(place);
  });

  if (testContext.trust.kind === 'authority') {
    it('applies Revocations to running pods', async () => {
      const place = { namespace, pod: 'before' };
      const name = `webhook-down-${testContext.entry}`;
      await deleteRevocation(name);
      await readRunKeys(place);
      await createRevocation(name, { pod: { namespace, name: place.pod } });
      await waitFor(
        'a refusal by its sidecar',
        async () => (await requestKeys(place)).status === 403,
      );
      await deleteRevocation(name);
    });
  }
});
