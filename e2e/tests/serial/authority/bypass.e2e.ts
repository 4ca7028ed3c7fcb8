import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../../test/kit/retry.ts';
import { applyObjects, getJson, runKubectl, waitForPod } from '../../../cluster/kubectl.ts';
import { readExchangeToken } from '../../node-access.ts';
import {
  callCloudFromPod,
  callSidecarWithRetry,
  cloud,
  cluster,
  createNamespace,
  readPod,
  readReports,
  runPod,
  testContext,
} from '../../test-context.ts';
import type { PodRef } from '../../test-context.ts';
import {
  sendOneFrom,
  exchangeAudience,
  createPurpose,
  buildTokenRequest,
} from '../../authority/authority-requests.ts';
import {
  expectRefusal,
  waitForEvent,
  waitForRefusalRecord,
} from '../../authority/audit-records.ts';

const { node } = testContext;
const tasks = { read: readReports };

type Container = {
  name: string;
  image: string;
  command?: string[];
  env?: { name: string; value?: string }[];
  volumeMounts?: { name: string; mountPath: string; readOnly?: boolean }[];
  [field: string]: unknown;
};
type PodSpec = { containers: Container[]; initContainers: Container[]; [field: string]: unknown };
type PodObject = { metadata: { labels: object; annotations: object }; spec: PodSpec };

/** Reads the parts of an injected pod, to write another one by hand. */
const copyPod = ({ metadata: { labels, annotations }, spec }: PodObject) => {
  const copied = { ...spec };
  // The scheduler chooses the node.
  delete copied['nodeName'];
  return { labels, annotations, spec: copied };
};

const readAdmittedTasks = ({ initContainers }: PodSpec) => {
  const readTasks = initContainers[0]?.env?.find(({ name }) => name === 'VALETKEY_TASKS');
  if (readTasks === undefined) throw new Error('the sidecar has no tasks');
  return readTasks;
};

/** The admission policies, which the API server evaluates without the webhook; an administrator removes them. */
const heldBindings = ['pods', 'pod-changes', 'tokens'].map((name) => `valetkey-${name}`);

type Binding = { metadata: { name: string; labels: object; annotations: object }; spec: object };

const removeAdmission = async (): Promise<() => Promise<unknown>> => {
  const kind = 'validatingadmissionpolicybindings';
  const { items } = await getJson<{ items: Binding[] }>(cluster, [kind, ...heldBindings]);
  await runKubectl(cluster, ['delete', kind, ...heldBindings]);
  const bindings = items.map(({ metadata: { name, labels, annotations }, spec }) => ({
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'ValidatingAdmissionPolicyBinding',
    metadata: { name, labels, annotations },
    spec,
  }));
  return () => applyObjects(cluster, bindings);
};

// Admission is shared by all tests, so this file runs alone.
describe(`the authority, if admission was bypassed (${cloud.name})`, () => {
  // Both webhooks exclude the release namespace, so there is no admission for its pods.
  const { namespace: home } = testContext.release;
  const account = 'by-hand';
  const made: string[] = [];
  let original: PodObject;
  let restore: () => Promise<unknown> = () => Promise.resolve();

  beforeAll(async () => {
    const namespace = await createNamespace('bypass');
    await runPod({ name: 'original', namespace, tasks });
    original = await readPod<PodObject>(namespace, 'original');
    restore = await removeAdmission();
    await applyObjects(cluster, {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: account, namespace: home },
    });
  });

  afterAll(async () => {
    await restore();
    const pods = made.map((name) => `pod/${name}`);
    await runKubectl(cluster, [
      'delete',
      '-n',
      home,
      ...pods,
      `serviceaccount/${account}`,
      '--ignore-not-found',
    ]);
  });

  /** An API server stops evaluating a policy shortly after its binding is removed. */
  const whenLifted = <T>(act: () => Promise<T>): Promise<T> =>
    waitFor('admission policies to be inactive', act, { timeoutMs: 60_000 });

  const make = async (name: string, change: (spec: PodSpec) => void): Promise<PodRef> => {
    const { labels, annotations, spec } = structuredClone(copyPod(original));
    change(spec);
    made.push(name);
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: home, labels, annotations },
      spec: { ...spec, serviceAccount: account, serviceAccountName: account },
    };
    await whenLifted(() => applyObjects(cluster, pod));
    await waitForPod(cluster, { namespace: home, pod: name }, { timeoutMs: 150_000 });
    return { namespace: home, pod: name };
  };

  const readRefusal = async (pod: PodRef, code: string) => {
    const answer = await callSidecarWithRetry<{ Message: string }>(pod, 'GET', '/v1/credentials');
    expect(answer).toMatchObject({ status: 403, body: { Code: code } });
    expect(await waitForRefusalRecord(pod, code)).toMatchObject({ class_uid: 3003, status_id: 2 });
    await waitForEvent(pod, code);
    return answer.body.Message;
  };

  it('denies an exact copy of an injected pod by policy in this namespace', async () => {
    const pod = await make('exact', () => undefined);
    expect(await readRefusal(pod, 'policy_denied')).toContain('no policy permits it');
  });

  it('refuses a pod whose sidecar has another environment: rule 2', async () => {
    const pod = await make('environment', ({ initContainers: [sidecar] }) => {
      sidecar?.env?.push({ name: 'SURPRISE', value: 'yes' });
    });
    expect(await readRefusal(pod, 'pod_noncompliant')).toContain('(rule 2)');
  });

  it('refuses tasks that admission would reject', async () => {
    const pod = await make('tasks', (spec) => {
      const given = readAdmittedTasks(spec);
      given.value = (given.value ?? '').replace(/"lifetimeSeconds":\d+/, '"lifetimeSeconds":86400');
    });
    expect(await readRefusal(pod, 'tasks_invalid')).toContain('lifetime');
  });

  // The exchange token is read on the node, as a consumer that mounts it could.
  if (node !== undefined) {
    const steal = async (pod: PodRef) => {
      const purpose = createPurpose();
      const token = await readExchangeToken(node, pod);
      const reply = await sendOneFrom(pod, buildTokenRequest({ token, purpose }));
      await expectRefusal(reply, { status: 403, reason: 'pod_noncompliant', purpose, pod });
      return reply.body;
    };

    it('refuses a pod in which a consumer mounts the exchange token: rule 6', async () => {
      const pod = await make('token', ({ containers: [agent] }) => {
        agent?.volumeMounts?.push({ name: 'valetkey-token', mountPath: '/stolen', readOnly: true });
      });
      expect(await steal(pod)).toContain('rule 6');
    });

    it('refuses a pod with another program in place of the sidecar: rule 2', async () => {
      const pod = await make('program', ({ containers: [agent], initContainers: [sidecar] }) => {
        if (agent === undefined || sidecar === undefined) throw new Error('no container');
        const { image, command } = agent;
        Object.assign(sidecar, { image, command });
        delete sidecar['startupProbe'];
      });
      expect(await steal(pod)).toContain('rule 2');
    });
  }

  it('refuses a requested token of a service account if the pod declares no task', async () => {
    const pod = { ...(await plainPod()), container: 'agent' };
    const purpose = createPurpose();
    const { metadata } = await getJson<{ metadata: { uid: string } }>(cluster, [
      'pod',
      pod.pod,
      '-n',
      pod.namespace,
    ]);
    const bound = [
      '--bound-object-kind',
      'Pod',
      '--bound-object-name',
      pod.pod,
      '--bound-object-uid',
      metadata.uid,
    ];
    const args = ['create', 'token', 'agent', '-n', pod.namespace, '--duration', '600s', ...bound];
    const asked = [...args, '--audience', exchangeAudience];
    const { stdout } = await whenLifted(() => runKubectl(cluster, asked));
    const reply = await sendOneFrom(pod, buildTokenRequest({ token: stdout.trim(), purpose }));
    await expectRefusal(reply, { status: 403, reason: 'pod_noncompliant', purpose, pod });
  });

  const plainPod = async (): Promise<PodRef> => {
    const namespace = await createNamespace('plain');
    await runPod({ name: 'plain', namespace });
    return { namespace, pod: 'plain' };
  };

  it('refuses new runs of a pod after an ephemeral container was added', async () => {
    const pod = await make('joined', () => undefined);
    const image = [
      '--image',
      testContext.images.agent,
      '--image-pull-policy',
      testContext.imagePullPolicy,
    ];
    const debug = ['debug', pod.pod, '-n', pod.namespace, '-c', 'debugger', '--profile=restricted'];
    await whenLifted(() => runKubectl(cluster, [...debug, ...image, '--', '/bin/sleep', '60']));
    expect(await readRefusal(pod, 'pod_noncompliant')).toContain('(rule 9)');
    expect(await callCloudFromPod(pod, 'get', 'reports/q3.csv')).toMatchObject({ status: 0 });
  });
});
