import { beforeAll, describe, expect, it } from '@jest/globals';
import { execInPod } from '../cluster/kubectl.ts';
import { recordMeasurement } from '../measurements.ts';
import { killSidecar } from './node-access.ts';
import {
  toEnvironment,
  callCloudFromPod,
  callSidecarWithRetry,
  callSidecarFromPod,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  readReports,
  runPod,
  testContext,
} from './test-context.ts';
import type { PodRef } from './test-context.ts';

const { node } = testContext;

type ContainerCredentials = {
  AccessKeyId: string;
  SecretAccessKey: string;
  Token: string;
  Expiration: string;
};

const readTaskKeys = async (place: PodRef): Promise<ContainerCredentials> => {
  const { status, body } = await callSidecarWithRetry<ContainerCredentials>(
    place,
    'GET',
    '/v1/credentials',
  );
  expect(status).toBe(200);
  return body;
};

describe(`a pod with tasks on ${cloud.name}`, () => {
  let namespace: string;

  beforeAll(async () => {
    namespace = await createNamespace('tasks', ['agent', 'stranger']);
  });

  describe('with one task in each of two containers', () => {
    const reader: PodRef = { namespace: '', pod: 'two', container: 'reader' };
    const writer: PodRef = { namespace: '', pod: 'two', container: 'writer' };

    beforeAll(async () => {
      reader.namespace = writer.namespace = namespace;
      await runPod({
        name: 'two',
        namespace,
        containers: ['reader', 'writer'],
        tasks: {
          read: { ...readReports, containers: ['reader'] },
          file: {
            allow: [{ actions: ['s3:PutObject'], resources: ['arn:aws:s3:::acme-other/inbox/*'] }],
            containers: ['writer'],
          },
        },
      });
      await Promise.all([readTaskKeys(reader), readTaskKeys(writer)]);
    });

    it('gets credentials for each task in its own container', async () => {
      await expectRead(reader);
      const put = await callCloudFromPod(writer, 'put', 'inbox/note.txt', { bucket: 'acme-other' });
      expect(put).toEqual({ status: 200 });
    });

    it.each(['read', 'file'])('does not give the task %s to the other container', async (task) => {
      const other = task === 'read' ? writer : reader;
      const path = `/v1/tasks/${task}/credentials`;
      expect([403, 404]).toContain((await callSidecarFromPod(other, 'GET', path)).status);
      expect([403, 404]).toContain(
        (await callSidecarFromPod(other, 'POST', `/v1/tasks/${task}/runs`, {})).status,
      );
    });

    it.each([
      ['get', 'acme-data', 'secrets/keys.txt'],
      ['get', 'acme-other', 'reports/q3.csv'],
      ['put', 'acme-data', 'reports/q3.csv'],
      ['list', 'acme-data', 'reports/'],
    ] as const)(
      'gets 403 from the cloud out of scope of the reader: %s %s/%s',
      async (operation, bucket, key) => {
        expect(await callCloudFromPod(reader, operation, key, { bucket })).toMatchObject({
          status: 403,
        });
      },
    );

    it('has no API token and no exchange token in either container', async () => {
      // All file systems: a token would be in a volume.
      const script = `find / \\( -path /proc -o -path /sys \\) -prune \
        -o \\( -name token -o -name serviceaccount \\) -print 2>/dev/null; ls /var/run/valetkey`;
      const { stdout } = await execInPod(cluster, reader, ['/bin/sh', '-c', script]);
      const own = expect.stringMatching(/^(\/var)?\/run\/valetkey\/token$/);
      expect(stdout.trim().split('\n')).toEqual([own, 'socket', 'token']);
    });
  });

  it('gets 403 from the cloud after a short deadline, and not before', async () => {
    const place = { namespace, pod: 'short' };
    await runPod({
      name: 'short',
      namespace,
      tasks: { read: { ...readReports, lifetime: '30s' } },
    });
    const keys = await readTaskKeys(place);
    // The advertised expiration is min(10 s, lifetime / 10) before the deadline.
    const advertised = Date.parse(keys.Expiration);
    const deadline = advertised + 3_000;
    const env = toEnvironment(keys);
    expect(await callCloudFromPod(place, 'get', 'reports/q3.csv', { env })).toEqual({
      status: 200,
    });
    let lastAllowed = 0;
    let firstRefused = 0;
    while (firstRefused === 0 && Date.now() < deadline + 30_000) {
      const askedAt = Date.now();
      const { status } = await callCloudFromPod(place, 'get', 'reports/q3.csv', { env });
      if (status === 200) lastAllowed = askedAt;
      if (status === 403) firstRefused = Date.now();
    }
    // The measured skew is uncertain by half the exchange, and moves the advertised expiration.
    expect(lastAllowed).toBeLessThan(deadline + 5_000);
    expect(firstRefused).toBeGreaterThan(advertised);
    const value = `${((firstRefused - deadline) / 1000).toFixed(2)} s`;
    const name = 'from the deadline to the first refusal by the cloud';
    recordMeasurement(testContext.folder, { entry: testContext.entry, name, value });
    await expectRead(place);
  });

  it('has keys that the cloud refuses from another pod (source restriction podIP)', async () => {
    const place = { namespace, pod: 'bound' };
    const thief = { namespace, pod: 'thief' };
    await runPod({ name: 'bound', namespace, tasks: { read: readReports } });
    await runPod({ name: 'thief', namespace });
    const env = toEnvironment(await readTaskKeys(place));
    expect(await callCloudFromPod(place, 'get', 'reports/q3.csv', { env })).toEqual({
      status: 200,
    });
    expect(await callCloudFromPod(thief, 'get', 'reports/q3.csv', { env })).toMatchObject({
      status: 403,
    });
  });

  it('starts runs whose params narrow the task', async () => {
    const place = { namespace, pod: 'narrow' };
    await runPod({
      name: 'narrow',
      namespace,
      tasks: {
        one: {
          allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{folder}/*'] }],
          params: { folder: { pattern: '[a-z]+', maxLength: 20 } },
        },
      },
    });
    const start = (params: object) =>
      callSidecarWithRetry(place, 'POST', '/v1/tasks/one/runs', { params });
    const run = await start({ folder: 'reports' });
    expect(run).toMatchObject({ status: 201, body: { task: 'one' } });
    const env = toEnvironment(run.body['credentials'] as ContainerCredentials);
    expect(await callCloudFromPod(place, 'get', 'reports/q3.csv', { env })).toEqual({
      status: 200,
    });
    expect(await callCloudFromPod(place, 'get', 'secrets/keys.txt', { env })).toMatchObject({
      status: 403,
    });
    expect(await start({ folder: '*' })).toMatchObject({ status: 400 });
    const path = `/v1/runs/${String(run.body['run'])}`;
    expect((await callSidecarFromPod(place, 'DELETE', path)).status).toBe(204);
    expect([404, 410]).toContain(
      (await callSidecarFromPod(place, 'GET', `${path}/credentials`)).status,
    );
  });

  // MinIO's role policy ignores `sub`.
  if (cloud.name === 'rgw') {
    it('cannot assume the role with another service account', async () => {
      const place = { namespace, pod: 'stranger' };
      const tasks = { read: readReports };
      await runPod({ name: 'stranger', namespace, serviceAccount: 'stranger', tasks });
      const answer = await callSidecarWithRetry(place, 'GET', '/v1/credentials');
      expect(answer).toMatchObject({ status: 403, body: { Code: 'AccessDenied' } });
      expect(await callCloudFromPod(place, 'get', 'reports/q3.csv')).toMatchObject({ status: 0 });
    });
  }

  if (node !== undefined) {
    it('gets new credentials after its sidecar is killed', async () => {
      const place = { namespace, pod: 'killed' };
      await runPod({ name: 'killed', namespace, tasks: { read: readReports } });
      const before = await readTaskKeys(place);
      await killSidecar(node, place);
      await expectRead(place);
      expect((await readTaskKeys(place)).AccessKeyId).not.toBe(before.AccessKeyId);
    });
  }
});
