import { beforeAll, describe, expect, it } from '@jest/globals';
import { SIDECAR_CONTAINER } from '../../../lib/contract/names.ts';
import { execInPod, readLogs } from '../../cluster/kubectl.ts';
import { recordMeasurement } from '../../measurements.ts';
import { readRecords } from '../authority/audit-records.ts';
import { readPodUid } from '../node-access.ts';
import { cluster, createNamespace, expectRead, runPod, testContext } from '../test-context.ts';
import type { PodRef } from '../test-context.ts';

/** Runs of this length follow one another without errors for every SDK. */
const LIFETIME_SECONDS = 6;
/** At 64 KiB in 100 ms: more than ten runs in each direction. */
const MEBIBYTES = 40;
const STREAM_SECONDS = 60;

type Transfer = {
  status: number;
  isEqual: boolean;
  sentSeconds: number;
  receivedSeconds: number;
};
type JournalLine = { kind?: string; operation?: string; outcome?: string; ms?: number };

describe(`a body that takes longer than the runs that its call belongs to (${testContext.entry})`, () => {
  const place: PodRef = { namespace: '', pod: 'streaming' };

  beforeAll(async () => {
    place.namespace = await createNamespace('long-stream');
    const { pod: name, namespace } = place;
    const allow = [
      { actions: ['s3:GetObject', 's3:PutObject'], resources: ['arn:aws:s3:::acme-data/work/*'] },
      { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] },
    ];
    const task = { delivery: 'sign', lifetime: `${LIFETIME_SECONDS}s`, allow };
    await runPod({ name, namespace, tasks: { work: task } });
    await expectRead(place);
  });

  const transferSlowly = async (): Promise<Transfer> => {
    const command = ['/usr/bin/node', '/app/agent.mjs', 'trickle', `${MEBIBYTES}`];
    const args = [...command, 'acme-data', 'work/long-stream.bin'];
    const { stdout } = await execInPod(cluster, { ...place, container: 'agent' }, args, {
      timeoutMs: 400_000,
    });
    return JSON.parse(stdout) as Transfer;
  };

  const countRuns = async (): Promise<number> => {
    const uid = await readPodUid(place);
    const isOfPod = ({ unmapped }: Awaited<ReturnType<typeof readRecords>>[number]): boolean =>
      unmapped.kind === 'run.issued' && unmapped.pod_uid === uid;
    return (await readRecords()).filter(isOfPod).length;
  };

  const readJournal = async (): Promise<JournalLine[]> => {
    const text = await readLogs(cluster, { ...place, container: SIDECAR_CONTAINER });
    const lines = text.split('\n').filter((line) => line.startsWith('{'));
    return lines.map((line) => JSON.parse(line) as JournalLine);
  };

  it('arrives whole in both directions: the call moves to the next run, again and again', async () => {
    const { sentSeconds, receivedSeconds, ...rest } = await transferSlowly();
    expect(rest).toEqual({ status: 200, isEqual: true });
    const shortest = Math.min(sentSeconds, receivedSeconds);
    expect(shortest).toBeGreaterThan(STREAM_SECONDS);
    const runs = await countRuns();
    expect(runs).toBeGreaterThan((2 * STREAM_SECONDS) / LIFETIME_SECONDS);
    const calls = (await readJournal()).filter(({ kind, ms = 0 }) => kind === 'call' && ms > 9_000);
    expect(calls).toMatchObject([
      { operation: 's3.PutObject', outcome: 'allowed' },
      { operation: 's3.GetObject', outcome: 'allowed' },
    ]);
    const value = `${sentSeconds.toFixed(0)} s sent, ${receivedSeconds.toFixed(0)} s received, ${runs} runs`;
    const name = `a body of ${MEBIBYTES} MiB each way over runs of ${LIFETIME_SECONDS} s`;
    recordMeasurement(testContext.folder, { entry: testContext.entry, name, value });
  });
});
