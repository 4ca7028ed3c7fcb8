import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { runKubectl } from '../../cluster/kubectl.ts';
import { authorityLabel } from '../authority/authority-requests.ts';
import { runKubectlValetkey } from '../authority/record-files.ts';
import {
  callCloudFromPod,
  callSidecarFromPod,
  callSidecarWithRetry,
  cloud,
  cluster,
  createNamespace,
  runPod,
  testContext,
  toEnvironment,
  type CredentialKeys,
  type PodRef,
} from '../test-context.ts';

const allow = [
  { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] },
  { actions: ['s3:PutObject'], resources: ['arn:aws:s3:::acme-data/work/*'] },
];

type Posture = {
  missing: string[];
  tasks: { task: string; runs: number; rights: object[]; smallerAllow?: object[] }[];
  findings: { code: string; object: string }[];
};

describe(`rights of agents on ${cloud.name} that no run used`, () => {
  const place: PodRef = { namespace: '', pod: 'overprivileged' };
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-posture-'));
  const since = new Date().toISOString();

  beforeAll(async () => {
    const namespace = (place.namespace = await createNamespace('posture'));
    await runPod({ name: place.pod, namespace, tasks: { work: { delivery: 'sign', allow } } });
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const readPosture = async (): Promise<Posture> => {
    const { namespace: installedIn } = testContext.release;
    const where = ['-n', installedIn, '-l', authorityLabel];
    const { stdout } = await runKubectl(cluster, ['logs', ...where, '--tail=-1']);
    const log = join(folder, 'authority.log');
    writeFileSync(log, stdout);
    const text = await runKubectlValetkey([
      ...['posture', '-o', 'json', '-n', place.namespace, '--since', since, log],
      ...['--kubeconfig', cluster.kubeconfig, '--installed-in', installedIn],
    ]);
    return JSON.parse(text) as Posture;
  };

  it('are reported from the records of its calls, with the scope that was used', async () => {
    const path = '/v1/tasks/work/runs';
    type Started = { run: string; credentials: CredentialKeys };
    const { body } = await callSidecarWithRetry<Started>(place, 'POST', path, {});
    const env = toEnvironment(body.credentials);
    expect(await callCloudFromPod(place, 'get', 'reports/q3.csv', { env })).toEqual({
      status: 200,
    });
    expect((await callSidecarFromPod(place, 'DELETE', `/v1/runs/${body.run}`)).status).toBe(204);
    // For two minutes after its end a run counts as live: its last report may be on the way.
    const { missing, tasks, findings } = await waitFor(
      'a run that has ended',
      async () => {
        const posture = await readPosture();
        return posture.tasks[0]?.runs === 1 && posture;
      },
      { timeoutMs: 240_000 },
    );
    const [read, write] = allow;
    expect(missing).toEqual([]);
    expect(tasks).toMatchObject([
      {
        task: 'work',
        rights: [
          { action: 's3:GetObject', resource: read?.resources[0], state: 'used' },
          { action: 's3:PutObject', resource: write?.resources[0], state: 'unused' },
        ],
        smallerAllow: [read],
      },
    ]);
    const object = `task ${place.namespace}/agent work`;
    expect(findings).toMatchObject([{ code: 'right_unused', object }]);
  });
});
