import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { optedInRole } from '../../clouds/trust.ts';
import { apply, getJson, kubectl, waitFor } from '../../cluster/kubectl.ts';
import { cutOff, podUid } from '../node.ts';
import {
  asEnvironment,
  askCloud,
  askSidecar,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  readReports,
  refusalOf,
  runPod,
  stage,
} from '../stage.ts';
import type { Declaration, Place } from '../stage.ts';
import { authorityAddress } from './authority.ts';
import { crowdIn, saidByAll } from './crowd.ts';
import { findRecord } from './records.ts';
import { askForKeys, keysOf, startRun } from './runs.ts';
import type { StartedRun } from './runs.ts';
import {
  heardFrom,
  lift,
  noteSeconds,
  ownName,
  revocation,
  revoke,
  saidBy,
} from './revocations.ts';

const { node } = stage;
/** How many pods a namespace has that is revoked at once; RGW takes long to give keys to so many. */
const CROWD = cloud.name === 'minio' || stage.isFull ? 50 : 25;

/** Of a role on which the authority denies what ended, where the cloud has one. */
const optedIn: Declaration = { ...readReports, role: optedInRole };
const revocable = cloud.name === 'rgw' ? optedIn : readReports;

type Refused = { refusedBy: 'sidecar' | 'cloud'; askedAt: number; status: number; code: string };

const watching = ['watch', 'acme-data', 'reports/q3.csv'];
const isHeld = (line: { holds?: number }) => line.holds === 200;

describe(`a Revocation (${cloud.name})`, () => {
  let namespace: string;
  const names: string[] = [];

  /** Of this pass: the object is the cluster's. */
  const nameOf = (what: string): string => {
    const name = `${what}-${stage.pass}`;
    names.push(name);
    return name;
  };

  beforeAll(async () => {
    namespace = await createNamespace('revocation');
    await Promise.all(
      ['imposed', 'changed', 'pod', 'run', 'namespace', 'cut-off', 'opted-in'].map((what) =>
        lift(`${what}-${stage.pass}`),
      ),
    );
  });

  afterAll(() => Promise.all(names.map(lift)));

  test('bears the name of whoever creates it', async () => {
    const imposed = revocation(nameOf('imposed'), { namespace, by: 'somebody-else' });
    expect(await refusalOf(imposed)).toContain(`spec.by: expected ${await ownName()}`);
  });

  test('does not change', async () => {
    const [name, by] = [nameOf('changed'), await ownName()];
    await apply(cluster, revocation(name, { run: 'no-such-run', by }));
    const changed = revocation(name, { run: 'another-run', by });
    expect(await refusalOf(changed)).toContain('a Revocation does not change');
  });

  test('of a pod ends what it uses at once, and keeps new runs from starting', async () => {
    const place: Place = { namespace, pod: 'revoked' };
    const neighbour: Place = { namespace, pod: 'neighbour' };
    const tasks = { read: readReports };
    await Promise.all([
      runPod({ name: 'revoked', namespace, tasks, command: watching }),
      runPod({ name: 'neighbour', namespace, tasks }),
    ]);
    await heardFrom(place, 'that it holds credentials', isHeld);
    const pod = { namespace, name: 'revoked', uid: await podUid(place) };
    const name = nameOf('pod');
    const revokedAt = await revoke(name, { pod, reason: 'it behaves oddly' });
    const refused = await heardFrom<Refused>(
      place,
      'that its sidecar refuses',
      ({ refusedBy }) => refusedBy === 'sidecar',
    );
    noteSeconds(
      'from a Revocation to the first refusal by the sidecar',
      refused.askedAt - revokedAt,
    );
    expect(refused).toMatchObject({ status: 403, code: 'revoked' });

    const start = await askSidecar(place, 'POST', '/v1/tasks/read/runs', {});
    expect(start).toMatchObject({ status: 403, body: { Code: 'revoked' } });
    expect(start.body['Message']).toContain(name);
    await expectRead(neighbour);
    const record = await findRecord(
      'the Revocation',
      ({ unmapped, entity }) => unmapped.kind === 'revocation.observed' && entity?.name === name,
    );
    expect(record.message).toContain(await ownName());
    await lift(name);
    await keysOf(place);
  });

  test('of a run ends that run alone', async () => {
    const place: Place = { namespace, pod: 'one-of-two' };
    await runPod({ name: 'one-of-two', namespace, tasks: { read: readReports } });
    const [one, other] = [await startRun(place), await startRun(place)];
    const pathOf = ({ run }: StartedRun) => `/v1/runs/${run}/credentials`;
    await revoke(nameOf('run'), { run: one.run });
    await waitFor('its sidecar to refuse', async () => {
      const { status, body } = await askSidecar(place, 'GET', pathOf(one));
      return status === 403 && body['Code'] === 'run_revoked';
    });
    expect((await askSidecar(place, 'GET', pathOf(other))).status).toBe(200);
  });

  test(`of a namespace ends the runs of its ${CROWD} pods at once`, async () => {
    const crowded = await createNamespace('crowd');
    await apply(cluster, crowdIn(crowded, CROWD));
    const answers = async () => {
      const said = await saidByAll<{ pod: string; answer: string; askedAt: number }>(crowded);
      return [...Map.groupBy(said, ({ pod }) => pod).values()];
    };
    const served = ({ answer }: { answer: string }) => answer === '200';
    await waitFor(
      `${CROWD} pods to hold credentials`,
      async () => (await answers()).filter((lines) => lines.some(served)).length === CROWD,
      { timeoutMs: 300_000, intervalMs: 1_000 },
    );
    const revokedAt = await revoke(nameOf('namespace'), { namespace: crowded });
    const refusals = await waitFor('all of them to be refused', async () => {
      const last = (await answers()).flatMap((lines) => lines.at(-1) ?? []);
      return last.every(({ answer }) => answer.startsWith('403')) && (await answers());
    });
    const firstRefused = refusals.map(
      (lines) => lines[lines.findIndex(served) + 1]?.askedAt ?? Infinity,
    );
    const slowest = Math.max(...firstRefused) - revokedAt;
    noteSeconds(`from a Revocation of a namespace to the last refusal, ${CROWD} pods`, slowest);
    expect(Number.isFinite(slowest)).toBe(true);
    await kubectl(cluster, ['delete', 'namespace', crowded, '--wait=false']);
  }, 420_000);

  // Its network can be cut only where the node is ours.
  if (node !== undefined) {
    test('finds a sidecar that was cut off when it is back; until then it starts nothing new', async () => {
      const place: Place = { namespace, pod: 'cut-off' };
      await runPod({ name: 'cut-off', namespace, tasks: { read: revocable } });
      const keys = await keysOf(place);
      const used = () => askCloud(place, 'get', 'reports/q3.csv', { env: asEnvironment(keys) });
      expect(await used()).toEqual({ status: 200 });
      const mend = await cutOff(node, place, await authorityAddress());
      try {
        await revoke(nameOf('cut-off'), { pod: { namespace, name: 'cut-off' } });
        const start = await askSidecar(place, 'POST', '/v1/tasks/read/runs', {});
        expect(start.status).toBe(503);
        expect(Number(start.headers['retry-after'])).toBeGreaterThan(0);
        // What it holds it serves: the platform sets no maxSilence. The cloud refuses where it can.
        expect(await keysOf(place)).toEqual(keys);
        if (cloud.name === 'rgw')
          await waitFor('the cloud to refuse', async () => (await used()).status === 403);
      } finally {
        await mend();
      }
      await waitFor('its sidecar to refuse', async () => (await askForKeys(place)).status === 403);
    });
  }

  if (cloud.name === 'rgw') {
    test('ends sessions of a role that opted in at the cloud, too', async () => {
      const place: Place = { namespace, pod: 'denied' };
      await runPod({ name: 'denied', namespace, tasks: { read: optedIn }, command: watching });
      await heardFrom(place, 'that it holds credentials', isHeld);
      const name = nameOf('opted-in');
      const revokedAt = await revoke(name, { pod: { namespace, name: 'denied' } });
      const refused = await heardFrom<Refused>(
        place,
        'that the cloud refuses',
        ({ refusedBy }) => refusedBy === 'cloud',
      );
      noteSeconds(
        'from a Revocation to the first refusal by the cloud (RGW)',
        refused.at - revokedAt,
      );
      expect(refused).toMatchObject({ status: 403, code: 'AccessDenied' });
      expect((await saidBy<Refused>(place)).map(({ refusedBy }) => refusedBy)).toContain('sidecar');
    });

    test('is made of a completed run of such a role: its keys die at the cloud', async () => {
      const place: Place = { namespace, pod: 'completed' };
      await runPod({ name: 'completed', namespace, tasks: { read: optedIn } });
      const { run, credentials } = await startRun(place);
      const env = asEnvironment(credentials);
      const used = () => askCloud(place, 'get', 'reports/q3.csv', { env });
      expect(await used()).toEqual({ status: 200 });
      expect((await askSidecar(place, 'DELETE', `/v1/runs/${run}`)).status).toBe(204);
      const completedAt = Date.now();
      await waitFor('the cloud to refuse', async () => (await used()).status === 403);
      noteSeconds('from completion to a refusal by the cloud (RGW)', Date.now() - completedAt);
      const where = ['revocation', `run-${run}`];
      const { spec } = await getJson<{ spec: object }>(cluster, where);
      expect(spec).toMatchObject({ run, reason: 'completed' });
    });
  }
});
