import { beforeAll, describe, expect, test } from '@jest/globals';
import { apply, getJson, kubectl, waitFor, waitForPod } from '../cluster/kubectl.ts';
import { startMutator } from './mutator.ts';
import {
  agentContainer,
  agentPod,
  agentRole,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  readPod,
  readReports,
  refusalOf,
  runPod,
  stage,
  taskAnnotations,
} from './stage.ts';

const { node } = stage;

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
const comparable = (pod: PodObject): string =>
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
      const pod = agentPod({ ...plain, namespace: where, serviceAccount: 'default' });
      const input = JSON.stringify(pod);
      const args = ['create', '--dry-run=server', '-o', 'json', '-f', '-'];
      return JSON.parse((await kubectl(cluster, args, { input })).stdout) as PodObject;
    };
    expect(comparable(await create(namespace))).toBe(comparable(await create('valetkey')));
  });

  test('a bad declaration is refused with every fault', async () => {
    const pod = agentPod({ name: 'faulty', namespace });
    pod.metadata.annotations = {
      'task.valetkey.dev/one': JSON.stringify({
        role: agentRole(),
        allow: [{ actions: ['s3:GetObjct'], resources: ['reports/*'] }],
        lifetime: '3h',
        surprise: true,
      }),
      'task.valetkey.dev/two': JSON.stringify({
        role: agentRole(),
        allow: [{ actions: ['sts:AssumeRole'], resources: ['arn:aws:iam::111122223333:role/x'] }],
        containers: ['nobody'],
      }),
    };
    const refusal = await refusalOf(pod);
    const parts = ['/one', 'allow[0].actions[0]', 's3:GetObject', 'allow[0].resources[0]'];
    parts.push('lifetime', 'surprise', '/two', 'sts:AssumeRole', 'containers[0]', 'nobody');
    for (const part of parts) expect(refusal).toContain(part);
  });

  test('a pod that brings a container of our name is refused', async () => {
    const pod = agentPod({ name: 'impostor', namespace, tasks: reads });
    const spec = {
      ...pod.spec,
      containers: [...pod.spec.containers, agentContainer('valetkey-sidecar')],
    };
    expect(await refusalOf({ ...pod, spec })).toContain('valetkey-sidecar');
  });

  test('tasks do not change once the pod is admitted', async () => {
    await runPod({ name: 'fixed', namespace, tasks: reads });
    const annotation = 'task.valetkey.dev/read=changed';
    const change = kubectl(cluster, [
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
    await apply(cluster, {
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
      const mutator = await startMutator(node, namespace, agentContainer('meshed'));
      try {
        const name = 'meshed';
        const pod = agentPod({ name, namespace, tasks: reads });
        await apply(cluster, {
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
    const first = { ...agentContainer('mesh-proxy'), restartPolicy: 'Always' };
    const last = {
      ...agentContainer('setup', ['work', '0', 'acme-data', 'none']),
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
    const { spec } = agentPod({
      name: 'job',
      namespace,
      command: ['work', '60', 'acme-data', 'reports/q3.csv'],
    });
    await apply(cluster, {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata: { name: 'report', namespace },
      spec: {
        backoffLimit: 0,
        template: {
          metadata: { annotations: taskAnnotations(reads) },
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
    const { spec } = agentPod({ name: 'rolling', namespace });
    const deployment = (version: string) => ({
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'rolling', namespace },
      spec: {
        replicas: 2,
        selector: { matchLabels: { app: 'rolling' } },
        template: {
          metadata: { labels: { app: 'rolling', version }, annotations: taskAnnotations(reads) },
          spec,
        },
      },
    });
    for (const version of ['one', 'two']) {
      await apply(cluster, deployment(version));
      const rollout = [
        'rollout',
        'status',
        'deployment/rolling',
        '-n',
        namespace,
        '--timeout=300s',
      ];
      await kubectl(cluster, rollout, { timeoutMs: 310_000 });
    }
  });
});
