import { beforeAll, describe, expect, test } from '@jest/globals';
import { waitFor } from '../../test/kit/retry.ts';
import { applyObjects, getJson, runKubectl, waitForPod } from '../cluster/kubectl.ts';
import { startMutatingWebhook } from './mutating-webhook.ts';
import {
  buildAgentContainer,
  buildAgentPod,
  getAgentRole,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  readPod,
  readReports,
  expectApiRefusal,
  runPod,
  testContext,
  buildTaskAnnotations,
} from './test-context.ts';

const { node } = testContext;

type PodObject = {
  metadata: {
    annotations?: Record<string, string>;
    labels?: Record<string, string>;
    [field: string]: unknown;
  };
  spec: {
    containers: { name: string }[];
    initContainers?: { name: string }[];
    [field: string]: unknown;
  };
};

const reads = { read: readReports };

/** The pod without what differs between any two pods. */
const toComparable = (pod: PodObject): string =>
  JSON.stringify(pod)
    .replaceAll(/kube-api-access-[a-z0-9]{5}/g, 'kube-api-access')
    .replaceAll(/"(uid|creationTimestamp|resourceVersion|namespace|time)":"[^"]*",?/g, '');

describe(`admission for ${cloud.name}`, () => {
  let namespace: string;

  beforeAll(async () => {
    namespace = await createNamespace('admission');
  });

  test('a pod without tasks is untouched, byte for byte', async () => {
    const plain = { name: 'plain', containers: ['agent'] };
    // Our own namespace is excluded from both webhooks: what the API server makes of a pod there
    // is what it makes of it without us.
    const create = async (where: string) => {
      const pod = buildAgentPod({ ...plain, namespace: where, serviceAccount: 'default' });
      const input = JSON.stringify(pod);
      const args = ['create', '--dry-run=server', '-o', 'json', '-f', '-'];
      return JSON.parse((await runKubectl(cluster, args, { input })).stdout) as PodObject;
    };
    expect(toComparable(await create(namespace))).toBe(toComparable(await create('valetkey')));
  });

  test('a bad declaration is refused with every fault', async () => {
    const pod = buildAgentPod({ name: 'faulty', namespace });
    pod.metadata.annotations = {
      'task.valetkey.dev/one': JSON.stringify({
        role: getAgentRole(),
        allow: [{ actions: ['s3:GetObjct'], resources: ['reports/*'] }],
        lifetime: '3h',
        surprise: true,
      }),
      'task.valetkey.dev/two': JSON.stringify({
        role: getAgentRole(),
        allow: [{ actions: ['sts:AssumeRole'], resources: ['arn:aws:iam::111122223333:role/x'] }],
        containers: ['nobody'],
      }),
    };
    const refusal = await expectApiRefusal(pod);
    const parts = ['/one', 'allow[0].actions[0]', 's3:GetObject', 'allow[0].resources[0]'];
    parts.push('lifetime', 'surprise', '/two', 'sts:AssumeRole', 'containers[0]', 'nobody');
    for (const part of parts) expect(refusal).toContain(part);
  });

  test('a pod that brings a container of our name is refused', async () => {
    const pod = buildAgentPod({ name: 'impostor', namespace, tasks: reads });
    const spec = {
      ...pod.spec,
      containers: [...pod.spec.containers, buildAgentContainer('valetkey-sidecar')],
    };
    expect(await expectApiRefusal({ ...pod, spec })).toContain('valetkey-sidecar');
  });

  test('tasks do not change once the pod is admitted', async () => {
    await runPod({ name: 'fixed', namespace, tasks: reads });
    const annotation = 'task.valetkey.dev/read=changed';
    const change = runKubectl(cluster, [
      'annotate',
      'pod',
      'fixed',
      '-n',
      namespace,
      '--overwrite',
      annotation,
    ]);
    await expect(change).rejects.toThrow('task.valetkey.dev');
  });

  test('with a LimitRange the pod is admitted and gets its credentials', async () => {
    const limited = await createNamespace('limited');
    const limits = [
      {
        type: 'Container',
        default: { cpu: '500m', memory: '256Mi' },
        defaultRequest: { cpu: '10m', memory: '32Mi' },
      },
    ];
    await applyObjects(cluster, {
      apiVersion: 'v1',
      kind: 'LimitRange',
      metadata: { name: 'limits', namespace: limited },
      spec: { limits },
    });
    await runPod({ name: 'limited', namespace: limited, tasks: reads });
    await expectRead({ namespace: limited, pod: 'limited' });
  });

  // Its server stands on our own node.
  if (node !== undefined) {
    test('with another mutating webhook after ours the pod is admitted and runs', async () => {
      const mutator = await startMutatingWebhook(node, namespace, buildAgentContainer('meshed'));
      try {
        const name = 'meshed';
        const pod = buildAgentPod({ name, namespace, tasks: reads });
        await applyObjects(cluster, {
          ...pod,
          metadata: { ...pod.metadata, labels: { mutate: 'after' } },
        });
        await waitForPod(cluster, { namespace, pod: name });
        const { spec } = await readPod<PodObject>(namespace, name);
        expect(spec.containers.map((container) => container.name)).toEqual(['agent', 'meshed']);
        await expectRead({ namespace, pod: name });
      } finally {
        await mutator.stop();
      }
    });
  }

  test('a native sidecar before ours stays before ours', async () => {
    const first = { ...buildAgentContainer('mesh-proxy'), restartPolicy: 'Always' };
    const last = {
      ...buildAgentContainer('setup', ['work', '0', 'acme-data', 'none']),
      command: ['/bin/true'],
    };
    const spec = { initContainers: [first, last] };
    await runPod({ name: 'second', namespace, tasks: reads, spec });
    const pod = await readPod<PodObject>(namespace, 'second');
    const order = pod.spec.initContainers?.map((container) => container.name);
    expect(order).toEqual(['mesh-proxy', 'valetkey-sidecar', 'setup']);
    await expectRead({ namespace, pod: 'second' });
  });

  test('a Job with the sidecar completes', async () => {
    const { spec } = buildAgentPod({
      name: 'job',
      namespace,
      command: ['work', '60', 'acme-data', 'reports/q3.csv'],
    });
    await applyObjects(cluster, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'report', namespace },
      spec: {
        backoffLimit: 0,
        template: {
          metadata: { annotations: buildTaskAnnotations(reads) },
          spec: { ...spec, restartPolicy: 'Never' },
        },
      },
    });
    await waitFor('the Job to complete', async () => {
      const job = await getJson<{ status: { succeeded?: number } }>(cluster, [
        'job',
        'report',
        '-n',
        namespace,
      ]);
      return job.status.succeeded === 1;
    });
  });

  test('a Deployment rolls', async () => {
    const { spec } = buildAgentPod({ name: 'rolling', namespace });
    const deployment = (version: string) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'rolling', namespace },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'rolling' } },
        template: {
          metadata: {
            labels: { app: 'rolling', version },
            annotations: buildTaskAnnotations(reads),
          },
          spec,
        },
      },
    });
    for (const version of ['one', 'two']) {
      await applyObjects(cluster, deployment(version));
      const rollout = [
        'rollout',
        'status',
        'deployment/rolling',
        '-n',
        namespace,
        '--timeout=300s',
      ];
      await runKubectl(cluster, rollout, { timeoutMs: 310_000 });
    }
  });
});
