import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { optedInRole } from '../../clouds/cloud-trust.ts';
import { applyObjects, getJson, runKubectl, waitFor } from '../../cluster/kubectl.ts';
import { blockTraffic, readPodUid } from '../node-access.ts';
import {
  toEnvironment,
  callCloudFromPod,
  callSidecarFromPod,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  readReports,
  expectApiRefusal,
  runPod,
  testContext,
} from '../test-context.ts';
import type { Declaration, PodRef } from '../test-context.ts';
import { getAuthorityAddress } from './authority-requests.ts';
import { buildPodGroup, readGroupLines } from './pod-group.ts';
import { waitForRecord } from './audit-records.ts';
import { requestKeys, readRunKeys, startRun } from './sidecar-runs.ts';
import type { StartedRun } from './sidecar-runs.ts';
import {
  waitForConsumerLine,
  deleteRevocation,
  recordSeconds,
  readTestUserName,
  buildRevocation,
  createRevocation,
  readConsumerLines,
} from './revocation-objects.ts';

const { node } = testContext;
/** How many pods a namespace has that is revoked at once; RGW takes long to give keys to so many. */
const GROUP_SIZE = cloud.name === 'minio' || testContext.isFull ? 50 : 25;

/** Of a role on which the authority denies what ended, where the cloud has one. */
const optedIn: Declaration = { ...readReports, role: optedInRole };
const revocable = cloud.name === 'rgw' ? optedIn : readReports;

type RefusedLine = {
  refusedBy: 'sidecar' | 'cloud';
  askedAt: number;
  status: number;
  code: string;
};

const watching = ['watch', 'acme-data', 'reports/q3.csv'];
const isHoldingLine = (line: { holds?: number }) => line.holds === 200;

describe(`a Revocation (${cloud.name})`, () => {
  let namespace: string;
  const names: string[] = [];

  /** Of this pass: the object is the cluster's. */
  const nameOf = (what: string): string => {
    const name = `${what}-${testContext.entry}`;
    names.push(name);
    return name;
  };

  beforeAll(async () => {
    namespace = await createNamespace('revocation');
    await Promise.all(
      ['imposed', 'changed', 'pod', 'run', 'namespace', 'cut-off', 'opted-in'].map((what) =>
        deleteRevocation(`${what}-${testContext.entry}`),
      ),
    );
  });

  afterAll(() => Promise.all(names.map(deleteRevocation)));

  test('bears the name of whoever creates it', async () => {
    const imposed = buildRevocation(nameOf('imposed'), { namespace, by: 'somebody-else' });
    expect(await expectApiRefusal(imposed)).toContain(
      `spec.by: expected ${await readTestUserName()}`,
    );
  });

  test('does not change', async () => {
    const [name, by] = [nameOf('changed'), await readTestUserName()];
    await applyObjects(cluster, buildRevocation(name, { run: 'no-such-run', by }));
    const changed = buildRevocation(name, { run: 'another-run', by });
    expect(await expectApiRefusal(changed)).toContain('a Revocation does not change');
  });

  test('of a pod ends what it uses at once, and keeps new runs from starting', async () => {
    const place: PodRef = { namespace, pod: 'revoked' };
    const neighbour: PodRef = { namespace, pod: 'neighbour' };
    const tasks = { read: readReports };
    await Promise.all([
      runPod({ name: 'revoked', namespace, tasks, command: watching }),
      runPod({ name: 'neighbour', namespace, tasks }),
    ]);
    await waitForConsumerLine(place, 'that it holds credentials', isHoldingLine);
    const pod = { namespace, name: 'revoked', uid: await readPodUid(place) };
    const name = nameOf('pod');
    const revokedAt = await createRevocation(name, { pod, reason: 'it behaves oddly' });
    const refused = await waitForConsumerLine<RefusedLine>(
      place,
      'that its sidecar refuses',
      ({ refusedBy }) => refusedBy === 'sidecar',
    );
    recordSeconds(
      'from a Revocation to the first refusal by the sidecar',
      refused.askedAt - revokedAt,
    );
    expect(refused).toMatchObject({ status: 403, code: 'revoked' });

    const start = await callSidecarFromPod(place, 'POST', '/v1/tasks/read/runs', {});
    expect(start).toMatchObject({ status: 403, body: { Code: 'revoked' } });
    expect(start.body['Message']).toContain(name);
    await expectRead(neighbour);
    const record = await waitForRecord(
      'the Revocation',
      ({ unmapped, entity }) => unmapped.kind === 'revocation.observed' && entity?.name === name,
    );
    expect(record.message).toContain(await readTestUserName());
    await deleteRevocation(name);
    await readRunKeys(place);
  });

  test('of a run ends that run alone', async () => {
    const place: PodRef = { namespace, pod: 'one-of-two' };
    await runPod({ name: 'one-of-two', namespace, tasks: { read: readReports } });
    const [one, other] = [await startRun(place), await startRun(place)];
    const pathOf = ({ run }: StartedRun) => `/v1/runs/${run}/credentials`;
    await createRevocation(nameOf('run'), { run: one.run });
    await waitFor('its sidecar to refuse', async () => {
      const { status, body } = await callSidecarFromPod(place, 'GET', pathOf(one));
      return status === 403 && body['Code'] === 'run_revoked';
    });
    expect((await callSidecarFromPod(place, 'GET', pathOf(other))).status).toBe(200);
  });

  test(`of a namespace ends the runs of its ${GROUP_SIZE} pods at once`, async () => {
    const crowded = await createNamespace('pod-group');
    await applyObjects(cluster, buildPodGroup(crowded, GROUP_SIZE));
    const answers = async () => {
      const said = await readGroupLines<{ pod: string; answer: string; askedAt: number }>(crowded);
      return [...Map.groupBy(said, ({ pod }) => pod).values()];
    };
    const served = ({ answer }: { answer: string }) => answer === '200';
    await waitFor(
      `${GROUP_SIZE} pods to hold credentials`,
      async () => (await answers()).filter((lines) => lines.some(served)).length === GROUP_SIZE,
      { timeoutMs: 300_000, intervalMs: 1_000 },
    );
    const revokedAt = await createRevocation(nameOf('namespace'), { namespace: crowded });
    const refusals = await waitFor('all of them to be refused', async () => {
      const last = (await answers()).flatMap((lines) => lines.at(-1) ?? []);
      return last.every(({ answer }) => answer.startsWith('403')) && (await answers());
    });
    const firstRefused = refusals.map(
      (lines) => lines[lines.findIndex(served) + 1]?.askedAt ?? Infinity,
    );
    const slowest = Math.max(...firstRefused) - revokedAt;
    recordSeconds(
      `from a Revocation of a namespace to the last refusal, ${GROUP_SIZE} pods`,
      slowest,
    );
    expect(Number.isFinite(slowest)).toBe(true);
    await runKubectl(cluster, ['delete', 'namespace', crowded, '--wait=false']);
  }, 420_000);

  // Its network can be cut only where the node is ours.
  if (node !== undefined) {
    test('finds a sidecar that was cut off when it is back; until then it starts nothing new', async () => {
      const place: PodRef = { namespace, pod: 'cut-off' };
      await runPod({ name: 'cut-off', namespace, tasks: { read: revocable } });
      const keys = await readRunKeys(place);
      const used = () =>
        callCloudFromPod(place, 'get', 'reports/q3.csv', { env: toEnvironment(keys) });
      expect(await used()).toEqual({ status: 200 });
      const mend = await blockTraffic(node, place, await getAuthorityAddress());
      try {
        await createRevocation(nameOf('cut-off'), { pod: { namespace, name: 'cut-off' } });
        const start = await callSidecarFromPod(place, 'POST', '/v1/tasks/read/runs', {});
        expect(start.status).toBe(503);
        expect(Number(start.headers['retry-after'])).toBeGreaterThan(0);
        // What it holds it serves: the platform sets no maxSilence. The cloud refuses where it can.
        expect(await readRunKeys(place)).toEqual(keys);
        if (cloud.name === 'rgw')
          await waitFor('the cloud to refuse', async () => (await used()).status === 403);
      } finally {
        await mend();
      }
      await waitFor('its sidecar to refuse', async () => (await requestKeys(place)).status === 403);
    });
  }

  if (cloud.name === 'rgw') {
    test('ends sessions of a role that opted in at the cloud, too', async () => {
      const place: PodRef = { namespace, pod: 'denied' };
      await runPod({ name: 'denied', namespace, tasks: { read: optedIn }, command: watching });
      await waitForConsumerLine(place, 'that it holds credentials', isHoldingLine);
      const name = nameOf('opted-in');
      const revokedAt = await createRevocation(name, { pod: { namespace, name: 'denied' } });
      const refused = await waitForConsumerLine<RefusedLine>(
        place,
        'that the cloud refuses',
        ({ refusedBy }) => refusedBy === 'cloud',
      );
      recordSeconds(
        'from a Revocation to the first refusal by the cloud (RGW)',
        refused.at - revokedAt,
      );
      expect(refused).toMatchObject({ status: 403, code: 'AccessDenied' });
      expect(
        (await readConsumerLines<RefusedLine>(place)).map(({ refusedBy }) => refusedBy),
      ).toContain('sidecar');
    });

    test('is made of a completed run of such a role: its keys die at the cloud', async () => {
      const place: PodRef = { namespace, pod: 'completed' };
      await runPod({ name: 'completed', namespace, tasks: { read: optedIn } });
      const { run, credentials } = await startRun(place);
      const env = toEnvironment(credentials);
      const used = () => callCloudFromPod(place, 'get', 'reports/q3.csv', { env });
      expect(await used()).toEqual({ status: 200 });
      expect((await callSidecarFromPod(place, 'DELETE', `/v1/runs/${run}`)).status).toBe(204);
      const completedAt = Date.now();
      await waitFor('the cloud to refuse', async () => (await used()).status === 403);
      recordSeconds('from completion to a refusal by the cloud (RGW)', Date.now() - completedAt);
      const where = ['revocation', `run-${run}`];
      const { spec } = await getJson<{ spec: object }>(cluster, where);
      expect(spec).toMatchObject({ run, reason: 'completed' });
    });
  }
});
