import { beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../test/kit/retry.ts';
import { buildEditorRoleBinding } from '../cluster/editor-role-binding.ts';
import { HELPER_CONTROLLER } from '../release.ts';
import { applyObjects, getJson, runKubectl, waitForPod } from '../cluster/kubectl.ts';
import { addContainer, moveFirstInitContainer, startMutatingWebhook } from './mutating-webhook.ts';
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
    containers: ContainerObject[];
    initContainers?: ContainerObject[];
    [field: string]: unknown;
  };
};

type ContainerObject = { name: string; volumeMounts?: { name: string }[] };

const reads = { read: readReports };

/** Removes fields that differ between any two pods. */
const toComparable = (pod: PodObject): string =>
  JSON.stringify(pod)
    .replaceAll(/kube-api-access-[a-z0-9]{5}/g, 'kube-api-access')
    .replaceAll(/"(uid|creationTimestamp|resourceVersion|namespace|time)":"[^"]*",?/g, '');

describe(`admission of a pod (${cloud.name})`, () => {
  let namespace: string;

  beforeAll(async () => {
    namespace = await createNamespace('admission');
  });

  it('leaves a pod without tasks unchanged, byte for byte', async () => {
    const plain = { name: 'plain', containers: ['agent'] };
    // Both webhooks exclude the release namespace, so a pod there is what the API server alone
    // makes of it.
    const create = async (where: string) => {
      const pod = buildAgentPod({ ...plain, namespace: where, serviceAccount: 'default' });
      const input = JSON.stringify(pod);
      const args = ['create', '--dry-run=server', '-o', 'json', '-f', '-'];
      return JSON.parse((await runKubectl(cluster, args, { input })).stdout) as PodObject;
    };
    expect(toComparable(await create(namespace))).toBe(toComparable(await create('valetkey')));
  });

  it('rejects an invalid declaration with all field errors', async () => {
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
        containers: ['absent'],
      }),
    };
    const refusal = await expectApiRefusal(pod);
    const parts = ['/one', 'allow[0].actions[0]', 's3:GetObject', 'allow[0].resources[0]'];
    parts.push('lifetime', 'surprise', '/two', 'sts:AssumeRole', 'containers[0]', 'absent');
    for (const part of parts) expect(refusal).toContain(part);
  });

  it('refuses a pod that has a container with a reserved name', async () => {
    const pod = buildAgentPod({ name: 'impostor', namespace, tasks: reads });
    const spec = {
      ...pod.spec,
      containers: [...pod.spec.containers, buildAgentContainer('valetkey-sidecar')],
    };
    expect(await expectApiRefusal({ ...pod, spec })).toContain('valetkey-sidecar');
  });

  it('refuses to change tasks of an admitted pod', async () => {
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

  it('admits a pod in a namespace with a LimitRange, and the pod gets credentials', async () => {
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

  it('leaves the ratio of a LimitRange to the API server, which admits the pod or names the ratio', async () => {
    const limited = await createNamespace('ratio');
    const setDefault = (cpu: string) =>
      applyObjects(cluster, {
        apiVersion: 'v1',
        kind: 'LimitRange',
        metadata: { name: 'ratio', namespace: limited },
        spec: {
          limits: [
            {
              type: 'Container',
              default: { cpu },
              defaultRequest: { cpu },
              maxLimitRequestRatio: { cpu: '4' },
            },
          ],
        },
      });
    const pod = buildAgentPod({ name: 'ratio', namespace: limited, tasks: reads });
    // The sidecar of the tests requests 5m.
    await setDefault('20m');
    await waitFor('the LimitRange to admit the pod', () =>
      applyObjects(cluster, pod, ['--dry-run=server']),
    );
    await setDefault('500m');
    const refusal = await waitFor('the LimitRange to refuse the pod', () =>
      applyObjects(cluster, pod, ['--dry-run=server']).then(
        () => undefined,
        (error: unknown) => String(error),
      ),
    );
    expect(refusal).toContain(
      'cpu max limit to request ratio per Container is 4, but provided ratio is 100',
    );
  });

  // The server of the other webhook runs on our own node.
  if (node !== undefined) {
    it('admits a pod that another mutating webhook changes afterwards, and the pod runs', async () => {
      const mutator = await startMutatingWebhook(
        node,
        namespace,
        addContainer(buildAgentContainer('meshed')),
      );
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

    it('returns the sidecar to its place after another webhook moves it, and the pod runs', async () => {
      const mutator = await startMutatingWebhook(node, namespace, moveFirstInitContainer());
      try {
        const name = 'reordered';
        const setup = { ...buildAgentContainer('setup'), command: ['/bin/true'] };
        const { metadata, ...pod } = buildAgentPod({ name, namespace, tasks: reads });
        await applyObjects(cluster, {
          ...pod,
          metadata: { ...metadata, labels: { mutate: 'after' } },
          spec: { ...pod.spec, initContainers: [setup] },
        });
        await waitForPod(cluster, { namespace, pod: name });
        const { spec } = await readPod<PodObject>(namespace, name);
        const order = spec.initContainers?.map((container) => container.name);
        expect(order).toEqual(['valetkey-sidecar', 'setup']);
        await expectRead({ namespace, pod: name });
      } finally {
        await mutator.stop();
      }
    });
  }

  it('keeps the API token of a listed container when its controller creates the pod', async () => {
    await applyObjects(cluster, buildEditorRoleBinding(namespace, HELPER_CONTROLLER));
    const pod = buildAgentPod({ name: 'helped', namespace, tasks: reads });
    const wait = buildAgentContainer('wait');
    const input = JSON.stringify({
      ...pod,
      spec: { ...pod.spec, containers: [...pod.spec.containers, wait] },
    });
    const listHolders = async (...user: string[]) => {
      const args = ['create', '--dry-run=server', '-o', 'json', '-f', '-', ...user];
      const { spec } = JSON.parse((await runKubectl(cluster, args, { input })).stdout) as PodObject;
      return [...(spec.initContainers ?? []), ...spec.containers]
        .filter(({ volumeMounts = [] }) =>
          volumeMounts.some(({ name }) => name.startsWith('kube-api-access-')),
        )
        .map(({ name }) => name);
    };
    expect(await listHolders('--as', HELPER_CONTROLLER)).toEqual(['wait']);
    expect(await listHolders()).toEqual([]);
  });

  it('keeps a native sidecar that precedes the injected one in its place', async () => {
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

  it('lets a Job with the sidecar complete', async () => {
    const { spec } = buildAgentPod({
      name: 'job',
      namespace,
      command: ['work', '120', 'acme-data', 'reports/q3.csv'],
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
    const isComplete = async () => {
      const where = ['job', 'report', '-n', namespace];
      const job = await getJson<{ status: { succeeded?: number } }>(cluster, where);
      return job.status.succeeded === 1;
    };
    await waitFor('completion of the Job', isComplete, { timeoutMs: 150_000 });
  });

  it('lets a Deployment roll out', async () => {
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
