import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { optedInRole } from '../../clouds/trust.ts';
import { apply } from '../../cluster/kubectl.ts';
import { podUid } from '../node.ts';
import {
  askCloud,
  askSidecar,
  cloud,
  createNamespace,
  readReports,
  refusalOf,
  runPod,
  stage,
  cluster,
} from '../stage.ts';
import type { Declaration, Place } from '../stage.ts';
import { findRecord } from './records.ts';
import {
  heardFrom,
  lift,
  noteSeconds,
  ownName,
  revocation,
  revoke,
  saidBy,
} from './revocations.ts';

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
      ['imposed', 'changed', 'pod', 'opted-in'].map((what) => lift(`${what}-${stage.pass}`)),
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

  test('of a pod ends what it uses within a second, and keeps new runs from starting', async () => {
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
    noteSeconds('from a Revocation to the first refusal by the sidecar', refused.at - revokedAt);
    expect(refused).toMatchObject({ status: 403, code: 'run_revoked' });
    expect(refused.at - revokedAt).toBeLessThan(1_000);

    const start = await askSidecar(place, 'POST', '/v1/tasks/read/runs', {});
    expect(start).toMatchObject({ status: 403, body: { Code: 'revoked' } });
    expect(start.body['Message']).toContain(name);
    expect(await askCloud(neighbour, 'get', 'reports/q3.csv')).toEqual({ status: 200 });
    const record = await findRecord(
      'the Revocation',
      ({ unmapped, entity }) => unmapped.kind === 'revocation.observed' && entity?.name === name,
    );
    expect(record.message).toContain(await ownName());
    await lift(name);
    await heardFrom(place, 'anything', () => true);
  });

  if (cloud.name === 'rgw') {
    const optedIn: Declaration = { ...readReports, role: optedInRole };

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
  }
});
