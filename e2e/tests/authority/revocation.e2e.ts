import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { applyObjects, runKubectl } from '../../cluster/kubectl.ts';
import { readPodUid } from '../node-access.ts';
import {
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
import type { PodRef } from '../test-context.ts';
import { waitForRecord } from './audit-records.ts';
import { buildPodGroup, readGroupLines } from './pod-group.ts';
import { readRunKeys, startRun } from './sidecar-runs.ts';
import type { StartedRun } from './sidecar-runs.ts';
import {
  buildRevocation,
  createRevocation,
  createRevocationNames,
  deleteRevocation,
  isHoldingLine,
  readTestUserName,
  recordSeconds,
  waitForConsumerLine,
  watchCommand,
} from './revocation-objects.ts';
import type { RefusalLine } from './revocation-objects.ts';

/** Pods of the namespace that is revoked as a whole. */
const GROUP_SIZE = testContext.isFull ? 50 : 10;

describe(`a Revocation (${cloud.name})`, () => {
  const names = createRevocationNames('other-user', 'changed', 'pod', 'run', 'namespace');
  let namespace: string;

  beforeAll(async () => {
    namespace = await createNamespace('revocation');
    await names.deleteAll();
  });

  afterAll(names.deleteAll);

  it('is rejected if spec.by is not the user who creates it', async () => {
    const foreign = buildRevocation(names.get('other-user'), { namespace, by: 'other-user' });
    expect(await expectApiRefusal(foreign)).toContain(
      `spec.by: expected ${await readTestUserName()}`,
    );
  });

  it('cannot be changed', async () => {
    const [name, by] = [names.get('changed'), await readTestUserName()];
    await applyObjects(cluster, buildRevocation(name, { run: 'no-such-run', by }));
    const changed = buildRevocation(name, { run: 'another-run', by });
    expect(await expectApiRefusal(changed)).toContain('a Revocation does not change');
  });

  it('of a pod ends its runs and prevents new ones until it is deleted', async () => {
    const place: PodRef = { namespace, pod: 'revoked' };
    const neighbor: PodRef = { namespace, pod: 'neighbor' };
    const tasks = { read: readReports };
    await Promise.all([
      runPod({ name: 'revoked', namespace, tasks, command: watchCommand }),
      runPod({ name: 'neighbor', namespace, tasks }),
    ]);
    await waitForConsumerLine(place, 'credentials', isHoldingLine);
    const pod = { namespace, name: 'revoked', uid: await readPodUid(place) };
    const name = names.get('pod');
    const revokedAt = await createRevocation(name, { pod, reason: 'it behaves oddly' });
    const refused = await waitForConsumerLine<RefusalLine>(
      place,
      'a refusal by its sidecar',
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
    await expectRead(neighbor);
    const record = await waitForRecord(
      'the Revocation',
      ({ unmapped, entity }) => unmapped.kind === 'revocation.observed' && entity?.name === name,
    );
    expect(record.message).toContain(await readTestUserName());
    await deleteRevocation(name);
    await readRunKeys(place);
  });

  it('of a run ends only that run', async () => {
    const place: PodRef = { namespace, pod: 'two-runs' };
    await runPod({ name: 'two-runs', namespace, tasks: { read: readReports } });
    const [revoked, other] = [await startRun(place), await startRun(place)];
    const getPath = ({ run }: StartedRun) => `/v1/runs/${run}/credentials`;
    await createRevocation(names.get('run'), { run: revoked.run });
    await waitFor('a refusal by its sidecar', async () => {
      const { status, body } = await callSidecarFromPod(place, 'GET', getPath(revoked));
      return status === 403 && body['Code'] === 'run_revoked';
    });
    expect((await callSidecarFromPod(place, 'GET', getPath(other))).status).toBe(200);
  });

  it(`of a namespace ends the runs of all its ${GROUP_SIZE} pods`, async () => {
    const revoked = await createNamespace('pod-group');
    await applyObjects(cluster, buildPodGroup(revoked, GROUP_SIZE));
    const readAnswers = async () => {
      const lines = await readGroupLines<{ pod: string; answer: string; askedAt: number }>(revoked);
      return [...Map.groupBy(lines, ({ pod }) => pod).values()];
    };
    const isServed = ({ answer }: { answer: string }) => answer === '200';
    await waitFor(
      `${GROUP_SIZE} pods with credentials`,
      async () =>
        (await readAnswers()).filter((lines) => lines.some(isServed)).length === GROUP_SIZE,
      { timeoutMs: 300_000, intervalMs: 1_000 },
    );
    const revokedAt = await createRevocation(names.get('namespace'), { namespace: revoked });
    const readRefusals = async () => {
      const last = (await readAnswers()).flatMap((lines) => lines.at(-1) ?? []);
      return last.every(({ answer }) => answer.startsWith('403')) && (await readAnswers());
    };
    const answers = await waitFor('a refusal to each pod', readRefusals, { timeoutMs: 120_000 });
    const firstRefused = answers.map(
      (lines) => lines[lines.findIndex(isServed) + 1]?.askedAt ?? Infinity,
    );
    const slowest = Math.max(...firstRefused) - revokedAt;
    recordSeconds(
      `from a Revocation of a namespace to the last refusal, ${GROUP_SIZE} pods`,
      slowest,
    );
    expect(Number.isFinite(slowest)).toBe(true);
    await runKubectl(cluster, ['delete', 'namespace', revoked, '--wait=false']);
  }, 480_000);
});
