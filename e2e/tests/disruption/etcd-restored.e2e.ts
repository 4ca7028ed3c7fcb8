import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { optedInRole } from '../../clouds/cloud-trust.ts';
import {
  restartCachingPrograms,
  restoreSnapshot,
  saveSnapshot,
} from '../../cluster/etcd-snapshot.ts';
import type { ApiServerOutage } from '../../cluster/etcd-snapshot.ts';
import { applyObjects, getJson, runKubectl } from '../../cluster/kubectl.ts';
import { startFaultRecord } from '../../faults/cluster-faults.ts';
import { hasReadyReplicas, listReplicaPods } from '../authority/authority-replicas.ts';
import { getAuditFolder } from '../authority/record-files.ts';
import {
  createRevocation,
  createRevocationNames,
  deleteRevocation,
  readConsumerLines,
  readTestUserName,
} from '../authority/revocation-objects.ts';
import type { ConsumerLine } from '../authority/revocation-objects.ts';
import type { RunAnswer } from '../authority/run-stream.ts';
import { readRunKeys } from '../authority/sidecar-runs.ts';
import { buildTaskPolicy, deletePolicies, readPolicies } from '../authority/task-policies.ts';
import { killContainer } from '../node-access.ts';
import {
  buildAgentPod,
  callCloudFromPod,
  callSidecarWithRetry,
  cloud,
  cluster,
  createNamespace,
  readReports,
  runPod,
  testContext,
  toEnvironment,
} from '../test-context.ts';
import type { CredentialKeys, Declaration, PodRef } from '../test-context.ts';
import { createApiConnections } from './load/api-connections.ts';
import type { ApiAnswer, ApiConnections } from './load/api-connections.ts';

const { node, entry } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine: its etcd is restored');

/** Longer than the test, so that only a denial ends the session. */
const optedIn: Declaration = { ...readReports, role: optedInRole, lifetime: '15m' };
/** Writes between the snapshot and the restore, as of an hour of a small cluster. */
const LOST_WRITES = 3_000;
const WRITES_TIMEOUT_MS = 240_000;
/** The reconciliation of the deny list takes place every 30 seconds. */
const DENIED_FOR_MS = 40_000;
/** No answer yet, or too many starts. */
const LATER: ReadonlySet<number> = new Set([429, 503]);
/** Consecutive reviews of the webhook, which has two replicas. */
const REVIEWS = 6;

type Line = RunAnswer & ConsumerLine;

const names = createRevocationNames('lost', 'lost-at-restart');
const policyName = `e2e-lost-${entry}`;
const snapshot = join(node.folder, `etcd-${entry}.db`);
const revoked: PodRef = { namespace: '', pod: 'revoked' };
const free: PodRef = { namespace: '', pod: 'free' };

const readLines = (place: PodRef): Promise<Line[]> => readConsumerLines<RunAnswer>(place);

/** Requests in flight. */
const CONCURRENCY = 16;
/** Connections of their own: programs such as kubectl would take the processor from what is measured. */
let api: ApiConnections;

/** Creates objects that a restore loses, so that the store gets far beyond the snapshot. */
const advanceStore = async (): Promise<void> => {
  const path = `/api/v1/namespaces/${free.namespace}/configmaps`;
  const body = Buffer.from(JSON.stringify({ metadata: { generateName: 'filler-' } }));
  const end = Date.now() + WRITES_TIMEOUT_MS;
  let written = 0;
  // An API server on a busy machine does not answer each of them in time.
  const lane = async (): Promise<void> => {
    while (written < LOST_WRITES && Date.now() < end)
      if ((await api.call({ method: 'POST', path, body })).status === 201) written += 1;
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, lane));
  expect(written).toBeGreaterThanOrEqual(LOST_WRITES);
  // Else the restored store could pass the version that replicas know before they ask again.
  await areRemembered(await readStoreVersion());
};

/** The version of etcd, as the API server numbers changes. */
const readStoreVersion = async (): Promise<bigint> => {
  const path = `/api/v1/namespaces/${free.namespace}/configmaps?limit=1`;
  const { stdout } = await runKubectl(cluster, ['get', '--raw', path]);
  const { metadata } = JSON.parse(stdout) as { metadata: { resourceVersion: string } };
  return BigInt(metadata.resourceVersion);
};

/** Waits until each replica remembers this version on its volume: it reads the version about every 20 seconds. */
const areRemembered = async (version: bigint): Promise<void> => {
  const replicas = await listReplicaPods();
  expect(replicas).toHaveLength(2);
  const folders = replicas.map(({ metadata }) => getAuditFolder(node, metadata.uid));
  await waitFor(
    `version ${version} on each volume`,
    () =>
      folders.every((folder) => {
        const text = readFileSync(join(folder, 'revocations.json'), 'utf8');
        return BigInt((JSON.parse(text) as { version: string }).version) >= version;
      }),
    { timeoutMs: 120_000 },
  );
};

/** Revokes the pod, and waits until its sidecar refuses. @returns the UID of the Revocation */
const revokePod = async (name: string): Promise<string> => {
  const pod = { namespace: revoked.namespace, name: revoked.pod };
  const at = await createRevocation(name, { pod, reason: 'it behaves oddly' });
  await waitFor('a refusal of a new run', async () =>
    (await readLines(revoked)).some((line) => line.at > at && line.status === 403),
  );
  const { metadata } = await getJson<{ metadata: { uid: string } }>(cluster, ['revocation', name]);
  return metadata.uid;
};

/** The status of a request for a Revocation: 200, or 404 if there is none. */
const getRevocationStatus = async (name: string): Promise<number> => {
  const path = `/apis/valetkey.dev/v1alpha1/revocations/${name}`;
  return (await api.call({ method: 'GET', path })).status;
};

/** The runs of the revoked pod that started after its sidecar refused the first one. */
const listForbiddenRuns = async (since: number): Promise<Line[]> => {
  const lines = (await readLines(revoked)).filter(({ at }) => at >= since);
  const first = lines.findIndex(({ status }) => status === 403);
  return lines.slice(first).filter(({ status }) => status === 201);
};

/** Whether so many reviews by the webhook have this result. */
const areReviewed = async (isExpected: (answer: ApiAnswer) => boolean): Promise<boolean> => {
  const { namespace } = free;
  const pod = buildAgentPod({ name: 'probe', namespace, tasks: { forbidden: readReports } });
  const path = `/api/v1/namespaces/${namespace}/pods?dryRun=All`;
  const body = Buffer.from(JSON.stringify(pod));
  for (let count = 0; count < REVIEWS; count += 1)
    if (!isExpected(await api.call({ method: 'POST', path, body }))) return false;
  return true;
};

const areAdmitted = () => areReviewed(({ status }) => status === 201);
const areRefused = () => areReviewed(({ body }) => body.includes(policyName));

/** Whether each replica of the authority has so many TaskPolicies, all of which are valid. */
const haveReplicas = async (replicas: readonly string[], policies: number): Promise<boolean> => {
  const { namespace } = testContext.release;
  const read = async (replica: string): Promise<string> => {
    const path = `/api/v1/namespaces/${namespace}/pods/${replica}:9446/proxy/metrics`;
    return (await api.call({ method: 'GET', path })).body;
  };
  const line = `valetkey_authority_task_policies{state="valid"} ${policies}\n`;
  return (await Promise.all(replicas.map(read))).every((text) => text.includes(line));
};

/** Waits for each condition; seconds after the end of the outage. */
const measureRecovery = (
  { to }: ApiServerOutage,
  probes: Readonly<Record<string, () => Promise<boolean>>>,
) =>
  Promise.all(
    Object.entries(probes).map(async ([name, probe]) => {
      await waitFor(name, probe, { timeoutMs: 180_000 });
      return { name, value: (Date.now() - to) / 1000, unit: 's' };
    }),
  );

beforeAll(async () => {
  api = await createApiConnections(cluster.kubeconfig, CONCURRENCY);
  const namespace = await createNamespace('etcd-restored');
  revoked.namespace = free.namespace = namespace;
  await Promise.all([names.deleteAll(), deletePolicies([policyName])]);
  const command = ['stream', 'read', 'acme-data', 'reports/q3.csv'];
  await Promise.all([
    runPod({ name: revoked.pod, namespace, tasks: { read: optedIn }, command }),
    runPod({
      ...{ name: free.pod, namespace, command },
      tasks: { read: readReports, forbidden: readReports },
    }),
  ]);
});

afterAll(async () => {
  api.close();
  await Promise.all([names.deleteAll(), deletePolicies([policyName])]);
  rmSync(snapshot, { force: true });
});

describe(`a restore of etcd from an older snapshot (${cloud.name})`, () => {
  let keys: CredentialKeys;
  let uid: string;
  let revokedAt: number;
  let outage: ApiServerOutage;

  const readWithKeys = async () =>
    (await callCloudFromPod(revoked, 'get', 'reports/q3.csv', { env: toEnvironment(keys) })).status;

  beforeAll(async () => {
    keys = await readRunKeys(revoked);
    expect(await readWithKeys()).toBe(200);
    const policies = (await readPolicies()).length;
    const replicas = (await listReplicaPods()).map(({ metadata }) => metadata.name);
    await saveSnapshot(node, snapshot);
    const scope = `principal in Namespace::"${free.namespace}", action == Action::"run"`;
    const cedar = `forbid (${scope}, resource == Task::"forbidden");`;
    await applyObjects(cluster, buildTaskPolicy(policyName, cedar));
    revokedAt = Date.now();
    uid = await revokePod(names.get('lost'));
    await waitFor('a refusal by the cloud', async () => (await readWithKeys()) === 403);
    await waitFor('the policy at the authority', () => haveReplicas(replicas, policies + 1));
    await waitFor('the policy at the webhook', areRefused);
    await advanceStore();

    const record = startFaultRecord(testContext, 'etcd-restored');
    outage = await restoreSnapshot(node, snapshot);
    const [recovery] = await Promise.all([
      measureRecovery(outage, {
        'the lost Revocation was created again after': async () =>
          (await getRevocationStatus(`restored-${uid}`)) === 200,
        'every replica of the authority had the restored policies after': () =>
          haveReplicas(replicas, policies),
        'the webhook had the restored policies after': areAdmitted,
      }),
      restartCachingPrograms(node),
    ]);
    const started = await waitFor('a run after the restore', async () =>
      (await readLines(free)).find(({ at, status }) => at > outage.to && status === 201),
    );
    const during = (await readLines(free)).filter(({ at }) => at > outage.from && at < started.at);
    const later = during.filter(({ status, retryAfter }) => LATER.has(status) && retryAfter);
    expect(during.filter((line) => line.status !== 201 && !later.includes(line))).toEqual([]);
    record({
      recoverySeconds: (started.at - outage.to) / 1000,
      figures: [
        { name: 'the API server was away for', value: (outage.to - outage.from) / 1000, unit: 's' },
        {
          name: 'writes since the snapshot that were lost, at least',
          value: LOST_WRITES,
          unit: '',
        },
        { name: 'runs that were requested until one started', value: during.length, unit: '' },
        { name: '… that started', value: during.length - later.length, unit: '' },
        { name: '… that got Retry-After', value: later.length, unit: '' },
        {
          name: 'runs of the revoked pod that started',
          value: (await listForbiddenRuns(revokedAt)).length,
          unit: '',
        },
        ...recovery,
      ],
    });
  }, 900_000);

  it('loses a Revocation and a TaskPolicy that were created after it', async () => {
    expect(await getRevocationStatus(names.get('lost'))).toBe(404);
    expect((await readPolicies()).map(({ metadata }) => metadata.name)).not.toContain(policyName);
  });

  it('makes the authority create the Revocation again, with its author and reason', async () => {
    const { spec } = await getJson<{ spec: object }>(cluster, ['revocation', `restored-${uid}`]);
    const user = await readTestUserName();
    expect(spec).toMatchObject({
      pod: { namespace: revoked.namespace, name: revoked.pod },
      by: 'system:serviceaccount:valetkey:valetkey-authority',
      reason: `it behaves oddly (revoked by ${user}, lost by a restore of the cluster)`,
    });
  });

  it('starts no run of the revoked pod', async () => {
    expect(await listForbiddenRuns(revokedAt)).toEqual([]);
    expect((await readLines(revoked)).at(-1)).toMatchObject({ status: 403, code: 'revoked' });
  });

  it('does not lift the denial of its session at the cloud', async () => {
    for (const end = Date.now() + DENIED_FOR_MS; Date.now() < end;) {
      expect(await readWithKeys()).toBe(403);
      await pause(2_000);
    }
  });

  it('is followed by decisions of the restored policies', async () => {
    const path = '/v1/tasks/forbidden/credentials';
    expect((await callSidecarWithRetry(free, 'GET', path)).status).toBe(200);
  });

  it('leaves it to a person to lift the Revocation', async () => {
    await deleteRevocation(`restored-${uid}`);
    const liftedAt = Date.now();
    await waitFor('a run of the pod', async () =>
      (await readLines(revoked)).some(({ at, status }) => at > liftedAt && status === 201),
    );
    expect(await getRevocationStatus(`restored-${uid}`)).toBe(404);
  });
});

describe(`a restore of etcd during which every replica of the authority restarts (${cloud.name})`, () => {
  let uid: string;
  let revokedAt: number;

  beforeAll(async () => {
    await saveSnapshot(node, snapshot);
    revokedAt = Date.now();
    uid = await revokePod(names.get('lost-at-restart'));
    await advanceStore();
    const replicas = await listReplicaPods();
    const containers = replicas.flatMap(({ status }) => status.containerStatuses ?? []);
    expect(containers).toHaveLength(2);
    const killAll = () =>
      Promise.all(containers.map((container) => killContainer(node, container)));
    await restoreSnapshot(node, snapshot, killAll);
    await restartCachingPrograms(node);
    await waitFor(
      'restarted replicas',
      async () => {
        const found = await listReplicaPods();
        const restarts = found.flatMap(({ status }) => status.containerStatuses ?? []);
        const isRestarted = restarts.every(({ restartCount }, index) => {
          return restartCount > (containers[index]?.restartCount ?? Infinity);
        });
        return isRestarted && (await hasReadyReplicas(2));
      },
      { timeoutMs: 180_000 },
    );
  }, 900_000);

  afterAll(() => deleteRevocation(`restored-${uid}`));

  it('loses the Revocation, which they create again from what they remember', async () => {
    await waitFor(
      'the Revocation',
      async () => (await getRevocationStatus(`restored-${uid}`)) === 200,
    );
    expect(await getRevocationStatus(names.get('lost-at-restart'))).toBe(404);
  });

  it('starts no run of the revoked pod', async () => {
    const since = Date.now();
    await waitFor('a refusal by a restarted replica', async () =>
      (await readLines(revoked)).some(({ at, code }) => at > since && code === 'revoked'),
    );
    expect(await listForbiddenRuns(revokedAt)).toEqual([]);
  });

  it('lets other pods start runs', async () => {
    const since = Date.now();
    await waitFor('a run', async () =>
      (await readLines(free)).some(({ at, status }) => at > since && status === 201),
    );
  });
});
