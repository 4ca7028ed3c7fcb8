import { beforeAll, describe, expect, it } from '@jest/globals';
import { SIGN_CONSUMER_ENV } from '../../../lib/contract/environment.ts';
import { execInPod } from '../../cluster/kubectl.ts';
import { recordMeasurement } from '../../measurements.ts';
import { readRunKeys } from '../authority/sidecar-runs.ts';
import { readConsumerLines, waitForConsumerLine } from '../authority/revocation-objects.ts';
import { killSidecar, startMemoryMeter } from '../node-access.ts';
import {
  callCloudFromPod,
  callSidecarFromPod,
  callSidecarWithRetry,
  cloud,
  cluster,
  createNamespace,
  expectRead,
  runPod,
  testContext,
  toEnvironment,
} from '../test-context.ts';
import type { CredentialKeys, Declaration, PodRef } from '../test-context.ts';

const { node, isFull } = testContext;

const DATA = 'arn:aws:s3:::acme-data';
/** One bucket, two prefixes: `reports/` to read, `work/` to write. */
const task: Declaration = {
  delivery: 'sign',
  allow: [
    { actions: ['s3:GetObject'], resources: [`${DATA}/reports/*`] },
    { actions: ['s3:GetObject', 's3:PutObject'], resources: [`${DATA}/work/*`] },
    { actions: ['s3:ListBucket'], resources: [DATA] },
  ],
};

/** RGW decrypts the session token before it looks for the access key. */
const REFUSAL_OF_LOCAL_KEYS = { minio: '403 InvalidAccessKeyId', rgw: '400 InvalidArgument' };

const MEBIBYTE = 1024 * 1024;

/** A line of the agent's command `read-on`. */
type ReadLine = { askedAt: number; answer: string; reads: number };

describe(`a pod whose calls the gateway signs (${cloud.name})`, () => {
  const place: PodRef = { namespace: '', pod: 'signing' };

  beforeAll(async () => {
    place.namespace = await createNamespace('sign');
    await runPod({
      name: place.pod,
      namespace: place.namespace,
      tasks: { work: task },
      command: ['read-on', 'acme-data', 'reports/q3.csv'],
    });
    await expectRead(place);
  });

  it.each([
    ['get', 'reports/q3.csv'],
    ['put', 'work/note.txt'],
    ['get', 'work/note.txt'],
    ['list', 'reports/'],
  ] as const)('is served within its task: %s %s', async (operation, key) => {
    expect(await callCloudFromPod(place, operation, key)).toEqual({ status: 200 });
  });

  it.each([
    ['get', 'acme-data', 'secrets/keys.txt', 'resource_outside'],
    ['put', 'acme-data', 'reports/q3.csv', 'resource_outside'],
    ['get', 'acme-other', 'reports/q3.csv', 'resource_outside'],
    ['list', 'acme-other', 'reports/', 'resource_outside'],
  ] as const)(
    'gets the refusal of the gateway as an error of its SDK: %s %s/%s',
    async (operation, bucket, key, code) => {
      const answer = await callCloudFromPod(place, operation, key, { bucket });
      expect(answer).toMatchObject({ status: 403, code: 'AccessDenied' });
      expect(answer.message).toMatch(
        new RegExp(`^valetkey: s3:\\w+ on arn:aws:s3:::${bucket}.* \\(${code}\\)$`),
      );
    },
  );

  it('has local keys, which the cloud refuses if the gateway is bypassed', async () => {
    const keys = await readRunKeys(place);
    expect(keys.AccessKeyId).toMatch(/^VALETKEY[A-Z2-7]{16}$/);
    const local = { env: toEnvironment(keys) };
    expect(await callCloudFromPod(place, 'get', 'reports/q3.csv', local)).toEqual({ status: 200 });
    const env = { ...local.env, [SIGN_CONSUMER_ENV.endpointUrl]: cloud.s3Endpoint };
    const refused = await callCloudFromPod(place, 'get', 'reports/q3.csv', { env });
    expect(`${refused.status} ${refused.code ?? ''}`).toBe(REFUSAL_OF_LOCAL_KEYS[cloud.name]);
  });

  it('refuses the next call with the keys of a run that has completed', async () => {
    type Started = { run: string; credentials: CredentialKeys };
    const path = '/v1/tasks/work/runs';
    const { body } = await callSidecarWithRetry<Started>(place, 'POST', path, {});
    const call = () =>
      callCloudFromPod(place, 'get', 'reports/q3.csv', { env: toEnvironment(body.credentials) });
    expect(await call()).toEqual({ status: 200 });
    expect((await callSidecarFromPod(place, 'DELETE', `/v1/runs/${body.run}`)).status).toBe(204);
    const refused = await call();
    expect(refused.status).toBe(403);
    expect(refused.message).toMatch(/^valetkey: .*\(run_\w+\)$/);
  });

  const mebibytes = isFull ? 1024 : 64;
  it(`uploads and reads ${mebibytes} MiB as streams`, async () => {
    const meter = node === undefined ? undefined : await startMemoryMeter(node, place);
    const command = ['/usr/bin/node', '/app/agent.mjs', 'transfer', `${mebibytes}`];
    const args = [...command, 'acme-data', 'work/large.bin'];
    const { stdout } = await execInPod(cluster, { ...place, container: 'agent' }, args, {
      timeoutMs: 300_000,
    });
    expect(JSON.parse(stdout)).toMatchObject({ status: 200, isEqual: true });
    if (meter === undefined) return;
    const { before, peak, limit } = meter.stop();
    const format = (bytes: number): string => `${(bytes / MEBIBYTE).toFixed(1)} MiB`;
    const value = `${format(peak)}, before ${format(before)}, limit ${format(limit)}`;
    const name = `peak of the sidecar's memory while it passed ${mebibytes} MiB each way`;
    recordMeasurement(testContext.folder, { entry: testContext.entry, name, value });
    // 36 MiB were seen with 1 GiB: what sockets hold, and what is not collected yet.
    expect(peak - before).toBeLessThan((isFull ? 48 : 32) * MEBIBYTE);
  }, 320_000);

  if (node !== undefined) {
    it('goes on with the same local keys after its sidecar is killed while it reads', async () => {
      const before = await readRunKeys(place);
      await waitForConsumerLine<ReadLine>(place, 'its reads', ({ answer }) => answer === '200');
      const killedAt = Date.now();
      await killSidecar(node, place);
      const backAt = Date.now();
      const isServed = ({ askedAt, answer }: ReadLine): boolean =>
        askedAt > backAt && answer === '200';
      await waitForConsumerLine<ReadLine>(place, 'a read after the kill', isServed);
      await expectRead(place);
      const lines = await readConsumerLines<ReadLine>(place);
      // While the sidecar is away there is no response, or 503.
      const sinceKill = lines.filter(({ at }) => at > killedAt).map(({ answer }) => answer);
      expect(sinceKill.filter((answer) => !/^(?:200$|none |503 )/.test(answer))).toEqual([]);
      expect(await readRunKeys(place)).toMatchObject({
        AccessKeyId: before.AccessKeyId,
        SecretAccessKey: before.SecretAccessKey,
        Token: before.Token,
      });
    });
  }
});
