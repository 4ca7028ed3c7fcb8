import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { optedInRole } from '../../clouds/cloud-trust.ts';
import { restoreSnapshot, saveSnapshot } from '../../cluster/etcd-snapshot.ts';
import type { ApiServerOutage } from '../../cluster/etcd-snapshot.ts';
import { applyObjects, getJson, runKubectl } from '../../cluster/kubectl.ts';
import { startFaultRecord } from '../../faults/cluster-faults.ts';
import { hasReadyReplicas, listReplicaPods } from '../authority/authority-replicas.ts';
import { readTelemetry } from '../authority/authority-requests.ts';
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

const { node, entry } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine: its etcd is restored');

/** Longer than the test, so that only a denial ends the session. */
const optedIn: Declaration = { ...readReports, role: optedInRole, lifetime: '15m' };
/** Writes between the snapshot and the restore, as of an hour of a small cluster. */
const LOST_WRITES = 3_000;
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

/** Creates objects that a restore loses, so that the store gets far beyond the snapshot. */
const advanceStore = async (): Promise<void> => {
  const api = await createApiConnections(cluster.kubeconfig, 16);
  const path = `/api/v1/namespaces/${free.namespace}/configmaps`;
  const waiting = Array.from({ length: LOST_WRITES }, (_, index) => `filler-${index}`).values();
  const lane = async (): Promise<void> => {
    for (const name of waiting) {
      const body = Buffer.from(JSON.stringify({ metadata: { name } }));
      const { status } = await api.call({ method: 'POST', path, body });
      if (status !== 201) throw new Error(`configmap ${name}: expected 201, got ${status}`);
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane)).finally(api.close);
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

const hasRevocation = async (name: string): Promise<boolean> => {
  const { stdout } = await runKubectl(cluster, ['get', 'revocations', '-o', 'name']);
  return stdout.split('\n').some((line) => line.endsWith(`/${name}`));
};

/** The runs of the revoked pod that started after its sidecar refused the first one. */
const listForbiddenRuns = async (since: number): Promise<Line[]> => {
  const lines = (await readLines(revoked)).filter(({ at }) => at >= since);
  const first = lines.findIndex(({ status }) => status === 403);
  return lines.slice(first).filter(({ status }) => status === 201);
};

const forbiddenPod = () =>
  buildAgentPod({
    ...{ name: 'probe', namespace: free.namespace },
    tasks: { forbidden: readReports },
  });

/** Whether as many reviews admit the pod. */
const areAdmitted = async (): Promise<true> => {
  for (let count = 0; count < REVIEWS; count += 1)
    await applyObjects(cluster, forbiddenPod(), ['--dry-run=server']);
  return true;
};

/** Whether as many reviews refuse the pod because of the policy. */
const areRefused = async (): Promise<boolean> => {
  for (let count = 0; count < REVIEWS; count += 1) {
    const refusal = await applyObjects(cluster, forbiddenPod(), ['--dry-run=server']).then(
      () => '',
      (error: unknown) => String(error),
    );
    if (!refusal.includes(policyName)) return false;
  }
  return true;
};

/** Whether each replica of the authority has so many TaskPolicies, all of which are valid. */
const haveAuthorities = async (policies: number): Promise<boolean> => {
  const replicas = await listReplicaPods();
  const texts = await Promise.all(replicas.map(({ metadata }) => readTelemetry(metadata.name)));
  const line = `valetkey_authority_task_policies{state="valid"} ${policies}\n`;
  return texts.every((text) => text.includes(line));
};

/** Seconds since `outage` until each condition holds, which no condition does before it. */
const watchRecovery = (probes: Readonly<Record<string, () => Promise<boolean>>>) => {
  const seen = Object.entries(probes).map(async ([name, probe]) => {
    await waitFor(name, probe, { timeoutMs: 300_000, intervalMs: 500 });
    return [name, Date.now()] as const;
  });
  const all = Promise.all(seen);
  // Awaited after the restore, whose own failure comes first.
  all.catch(() => undefined);
  return async ({ to }: ApiServerOutage) =>
    (await all).map(([name, at]) => ({ name, value: (at - to) / 1000, unit: 's' }));
};

beforeAll(async () => {
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
    await saveSnapshot(node, snapshot);
    const scope = `principal in Namespace::"${free.namespace}", action == Action::"run"`;
    const cedar = `forbid (${scope}, resource == Task::"forbidden");`;
    await applyObjects(cluster, buildTaskPolicy(policyName, cedar));
    revokedAt = Date.now();
    uid = await revokePod(names.get('lost'));
    await waitFor('a refusal by the cloud', async () => (await readWithKeys()) === 403);
    await waitFor('the policy at the authority', () => haveAuthorities(policies + 1));
    await waitFor('the policy at the webhook', areRefused);
    await advanceStore();

    const record = startFaultRecord(testContext, 'etcd-restored');
    const recover = watchRecovery({
      'the lost Revocation was created again after': () => hasRevocation(`restored-${uid}`),
      'every replica of the authority had the restored policies after': () =>
        haveAuthorities(policies),
      'the webhook had the restored policies after': areAdmitted,
    });
    outage = await restoreSnapshot(node, snapshot);
    const recovery = await recover(outage);
    const started = await waitFor('a run after the restore', async () =>
      (await readLines(free)).find(({ at, status }) => at > outage.to && status === 201),
    );
    const during = (await readLines(free)).filter(({ at }) => at > outage.from && at < started.at);
    const later = during.filter(({ status, retryAfter }) => LATER.has(status) && retryAfter);
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
        { name: '… that got Retry-After', value: later.length, unit: '' },
        {
          name: 'runs of the revoked pod that started',
          value: (await listForbiddenRuns(revokedAt)).length,
          unit: '',
        },
        ...recovery,
      ],
    });
    expect(during.filter(({ status }) => status !== 201 && !LATER.has(status))).toEqual([]);
  }, 900_000);

  it('loses a Revocation and a TaskPolicy that were created after it', async () => {
    expect(await hasRevocation(names.get('lost'))).toBe(false);
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
    for (const end = Date.now() + DENIED_FOR_MS; Date.now() < end; ) {
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
    expect(await hasRevocation(`restored-${uid}`)).toBe(false);
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
    await waitFor('the Revocation', () => hasRevocation(`restored-${uid}`));
    expect(await hasRevocation(names.get('lost-at-restart'))).toBe(false);
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
