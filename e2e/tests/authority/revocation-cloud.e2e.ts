import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { optedInRole } from '../../clouds/cloud-trust.ts';
import { getJson, runKubectl } from '../../cluster/kubectl.ts';
import { blockTraffic, killContainer, readSidecarStatus } from '../node-access.ts';
import {
  toEnvironment,
  callCloudFromPod,
  callSidecarFromPod,
  cloud,
  cluster,
  createNamespace,
  readReports,
  runPod,
  testContext,
} from '../test-context.ts';
import type { CredentialKeys, Declaration, PodRef } from '../test-context.ts';
import { waitForRecord } from './audit-records.ts';
import { getAuthorityAddress } from './authority-requests.ts';
import { requestKeys, readRunKeys, startRun } from './sidecar-runs.ts';
import {
  createRevocation,
  createRevocationNames,
  isHoldingLine,
  readConsumerLines,
  recordSeconds,
  waitForConsumerLine,
  watchCommand,
} from './revocation-objects.ts';
import type { RefusalLine } from './revocation-objects.ts';

const { node } = testContext;

/** A task with a role on which the authority denies ended sessions. */
const optedIn: Declaration = { ...readReports, role: optedInRole };

const readWith = (place: PodRef, keys: CredentialKeys) =>
  callCloudFromPod(place, 'get', 'reports/q3.csv', { env: toEnvironment(keys) });

const waitForCloudRefusal = (place: PodRef, keys: CredentialKeys) =>
  waitFor('a refusal by the cloud', async () => (await readWith(place, keys)).status === 403);

describe(`a Revocation of a session of a role that opted in to the deny list (${cloud.name})`, () => {
  const names = createRevocationNames('disconnected', 'opted-in');
  let namespace: string;

  beforeAll(async () => {
    namespace = await createNamespace('revocation');
    await names.deleteAll();
  });

  afterAll(names.deleteAll);

  // The network of a pod can be blocked only on our own node.
  if (node !== undefined) {
    it('applies at the cloud at once, and at a disconnected sidecar when it reconnects', async () => {
      const place: PodRef = { namespace, pod: 'disconnected' };
      await runPod({ name: 'disconnected', namespace, tasks: { read: optedIn } });
      const keys = await readRunKeys(place);
      expect(await readWith(place, keys)).toEqual({ status: 200 });
      const unblock = await blockTraffic(node, place, await getAuthorityAddress());
      try {
        const pod = { namespace, name: 'disconnected' };
        await createRevocation(names.get('disconnected'), { pod });
        const start = await callSidecarFromPod(place, 'POST', '/v1/tasks/read/runs', {});
        expect(start.status).toBe(503);
        expect(Number(start.headers['retry-after'])).toBeGreaterThan(0);
        // The platform sets no disconnectTimeout, so the sidecar serves its current credentials.
        expect(await readRunKeys(place)).toEqual(keys);
        await waitForCloudRefusal(place, keys);
      } finally {
        await unblock();
      }
      await waitFor(
        'a refusal by its sidecar',
        async () => (await requestKeys(place)).status === 403,
      );
    });
  }

  it('denies the session at the cloud', async () => {
    const place: PodRef = { namespace, pod: 'denied' };
    const tasks = { read: optedIn };
    await runPod({ name: 'denied', namespace, tasks, command: watchCommand });
    await waitForConsumerLine(place, 'credentials', isHoldingLine);
    const pod = { namespace, name: 'denied' };
    const revokedAt = await createRevocation(names.get('opted-in'), { pod });
    const refused = await waitForConsumerLine<RefusalLine>(
      place,
      'a refusal by the cloud',
      ({ refusedBy }) => refusedBy === 'cloud',
    );
    recordSeconds(
      'from a Revocation to the first refusal by the cloud (RGW)',
      refused.at - revokedAt,
    );
    expect(refused).toMatchObject({ status: 403, code: 'AccessDenied' });
    expect(
      (await readConsumerLines<RefusalLine>(place)).map(({ refusedBy }) => refusedBy),
    ).toContain('sidecar');
  });

  it('is created by the authority when a run completes', async () => {
    const place: PodRef = { namespace, pod: 'completed' };
    await runPod({ name: 'completed', namespace, tasks: { read: optedIn } });
    const { run, credentials } = await startRun(place);
    expect(await readWith(place, credentials)).toEqual({ status: 200 });
    expect((await callSidecarFromPod(place, 'DELETE', `/v1/runs/${run}`)).status).toBe(204);
    const completedAt = Date.now();
    await waitForCloudRefusal(place, credentials);
    recordSeconds('from completion to a refusal by the cloud (RGW)', Date.now() - completedAt);
    const { spec } = await getJson<{ spec: object }>(cluster, ['revocation', `run-${run}`]);
    expect(spec).toMatchObject({ run, reason: 'completed' });
  });

  it('is created by the authority when the pod of a run is deleted', async () => {
    const place: PodRef = { namespace, pod: 'deleted' };
    await runPod({ name: 'deleted', namespace, tasks: { read: optedIn } });
    const { run } = await startRun(place);
    await runKubectl(cluster, ['delete', 'pod', 'deleted', '-n', namespace]);
    const { spec } = await waitFor('the Revocation of the run', () =>
      getJson<{ spec: object }>(cluster, ['revocation', `run-${run}`]),
    );
    expect(spec).toMatchObject({ run, reason: 'terminated' });
  });

  // Processes can be killed only on our own node.
  if (node !== undefined) {
    it('is created by the authority when a pod ended whose sidecar was killed', async () => {
      const place: PodRef = { namespace, pod: 'killed' };
      await runPod({ name: 'killed', namespace, tasks: { read: optedIn } });
      const { run } = await startRun(place);
      await killContainer(node, await readSidecarStatus(place));
      const remove = ['delete', 'pod', 'killed', '-n', namespace, '--force', '--grace-period=0'];
      await runKubectl(cluster, remove);
      const endedAt = Date.now();
      const { spec } = await waitFor('the Revocation of the run', () =>
        getJson<{ spec: object }>(cluster, ['revocation', `run-${run}`]),
      );
      recordSeconds('from the end of a killed pod to its Revocation', Date.now() - endedAt);
      expect(spec).toMatchObject({ run, reason: 'terminated' });
      const record = await waitForRecord(
        'the end of the run',
        ({ session, unmapped: { kind } }) => kind === 'run.ended' && session?.uid === run,
      );
      expect(record).toMatchObject({
        message: 'the pod has ended, and no end of this run was published',
        unmapped: { pod: 'killed', task: 'read' },
      });
    });
  }
});
