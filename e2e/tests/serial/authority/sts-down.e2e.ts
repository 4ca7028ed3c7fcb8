import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { resumeRgw } from '../../../clouds/rgw.ts';
import { stopCloud } from '../../../clouds/cloud-startup.ts';
import { trustAuthority } from '../../../clouds/cloud-trust.ts';
import {
  expectUnavailable,
  readRunKeys,
  requestKeys,
  startRun,
} from '../../authority/sidecar-runs.ts';
import {
  cloud,
  createNamespace,
  expectRead,
  readReports,
  runPod,
  testContext,
} from '../../test-context.ts';
import type { PodRef } from '../../test-context.ts';

const { node } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine: its cloud is stopped');

describe(`a sidecar while STS is stopped (${cloud.name})`, () => {
  const place: PodRef = { namespace: '', pod: 'agent' };
  let isStopped = false;

  beforeAll(async () => {
    place.namespace = await createNamespace('sts-down');
    const { pod: name, namespace } = place;
    await runPod({ name, namespace, tasks: { read: readReports } });
    await readRunKeys(place);
    isStopped = true;
    await stopCloud(node, cloud);
  });

  const resume = async (): Promise<void> => {
    if (!isStopped) return;
    isStopped = false;
    await (cloud.name === 'rgw' ? resumeRgw(node, cloud) : trustAuthority(node, cloud));
  };

  afterAll(resume);

  it('serves current credentials', async () => {
    expect((await requestKeys(place)).status).toBe(200);
  });

  it('returns 503 with Retry-After for a new run', () => expectUnavailable(place));

  it('starts runs again once STS responds', async () => {
    await resume();
    await startRun(place);
    await expectRead(place);
  });
});
