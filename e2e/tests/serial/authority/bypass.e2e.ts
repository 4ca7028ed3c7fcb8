import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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

/** What an injected pod is made of, for somebody to write another by hand. */
const copyPod = ({ metadata: { labels, annotations }, spec }: PodObject) => {
  const copied = { ...spec };
  // The scheduler's to choose.
  delete copied['nodeName'];
  return { labels, annotations, spec: copied };
};

const readAdmittedTasks = ({ initContainers }: PodSpec) => {
  const tasksOf = initContainers[0]?.env?.find(({ name }) => name === 'VALETKEY_TASKS');
  if (tasksOf === undefined) throw new Error('the sidecar has no tasks');
  return tasksOf;
};

/** What the API server holds by itself, whatever webhook is away: lifted by whoever administers it. */
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

// Admission is everybody's: these stories are told when no other is.
describe(`past the webhook (${cloud.name})`, () => {
  // Both webhooks leave our own namespace alone: whoever may write there meets no admission.
  const { namespace: unseen } = testContext.release;
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
      metadata: { name: account, namespace: unseen },
    });
  });

  afterAll(async () => {
    await restore();
    const pods = made.map((name) => `pod/${name}`);
    await runKubectl(cluster, [
      'delete',
      '-n',
      unseen,
      ...pods,
      `serviceaccount/${account}`,
      '--ignore-not-found',
    ]);
  });

  /** An API server notices within moments that a policy is bound no longer. */
  const whenLifted = <T>(act: () => Promise<T>): Promise<T> =>
    waitFor('admission to be lifted', act, { timeoutMs: 60_000 });

  const make = async (name: string, change: (spec: PodSpec) => void): Promise<PodRef> => {
    const { labels, annotations, spec } = structuredClone(copyPod(original));
    change(spec);
    made.push(name);
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name, namespace: unseen, labels, annotations },
      spec: { ...spec, serviceAccount: account, serviceAccountName: account },
    };
    await whenLifted(() => applyObjects(cluster, pod));
    await waitForPod(cluster, { namespace: unseen, pod: name }, { timeoutMs: 150_000 });
    return { namespace: unseen, pod: name };
  };

  const refusalOf = async (pod: PodRef, code: string) => {
    const answer = await callSidecarWithRetry<{ Message: string }>(pod, 'GET', '/v1/credentials');
    expect(answer).toMatchObject({ status: 403, body: { Code: code } });
    expect(await waitForRefusalRecord(pod, code)).toMatchObject({ class_uid: 3003, status_id: 2 });
    await waitForEvent(pod, code);
    return answer.body.Message;
  };

  test('an exact copy gets what policy gives it, which is nothing here', async () => {
    const pod = await make('exact', () => undefined);
    expect(await refusalOf(pod, 'policy_denied')).toContain('no policy permits it');
  });

  test('a sidecar with another environment breaks rule 2', async () => {
    const pod = await make('environment', ({ initContainers: [sidecar] }) => {
      sidecar?.env?.push({ name: 'SURPRISE', value: 'yes' });
    });
    expect(await refusalOf(pod, 'pod_noncompliant')).toContain('(rule 2)');
  });

  test('tasks that the platform would not admit are refused', async () => {
    const pod = await make('tasks', (spec) => {
      const given = readAdmittedTasks(spec);
      given.value = (given.value ?? '').replace(/"lifetimeSeconds":\d+/, '"lifetimeSeconds":86400');
    });
    expect(await refusalOf(pod, 'tasks_invalid')).toContain('lifetime');
  });

  // Who reads the token inside the pod, reads it on our node.
  if (node !== undefined) {
    const steal = async (pod: PodRef) => {
      const purpose = createPurpose();
      const token = await readExchangeToken(node, pod);
      const reply = await sendOneFrom(pod, buildTokenRequest({ token, purpose }));
      await expectRefusal(reply, { status: 403, reason: 'pod_noncompliant', purpose, pod });
      return reply.body;
    };

    test('a consumer that mounts the token breaks rule 6, and gets nothing for it', async () => {
      const pod = await make('token', ({ containers: [agent] }) => {
        agent?.volumeMounts?.push({ name: 'valetkey-token', mountPath: '/stolen', readOnly: true });
      });
      expect(await steal(pod)).toContain('rule 6');
    });

    test('a program of one’s own in the sidecar’s place breaks rule 2', async () => {
      const pod = await make('program', ({ containers: [agent], initContainers: [sidecar] }) => {
        if (agent === undefined || sidecar === undefined) throw new Error('no container');
        const { image, command } = agent;
        Object.assign(sidecar, { image, command });
        delete sidecar['startupProbe'];
      });
      expect(await steal(pod)).toContain('rule 2');
    });
  }

  test('a service account’s token that was only asked for buys nothing where no task is declared', async () => {
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

  test('an ephemeral container, added later, ends the pod’s runs to come', async () => {
    const pod = await make('joined', () => undefined);
    const image = [
      '--image',
      testContext.images.agent,
      '--image-pull-policy',
      testContext.imagePullPolicy,
    ];
    const debug = ['debug', pod.pod, '-n', pod.namespace, '-c', 'debugger', '--profile=restricted'];
    await whenLifted(() => runKubectl(cluster, [...debug, ...image, '--', '/bin/sleep', '60']));
    expect(await refusalOf(pod, 'pod_noncompliant')).toContain('(rule 9)');
    expect(await callCloudFromPod(pod, 'get', 'reports/q3.csv')).toMatchObject({ status: 0 });
  });
});
