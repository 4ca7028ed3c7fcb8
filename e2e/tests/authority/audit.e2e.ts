import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { SIDECAR_CONTAINER } from '../../../lib/contract/names.ts';
import { readLogs } from '../../cluster/kubectl.ts';
import {
  toEnvironment,
  callCloudFromPod,
  callSidecarFromPod,
  cloud,
  cluster,
  createNamespace,
  runPod,
  testContext,
} from '../test-context.ts';
import type { PodRef } from '../test-context.ts';
import { readPodAddress } from '../node-access.ts';
import { startRun } from './sidecar-runs.ts';
import { readExportedFiles } from './exported-files.ts';
import { holdRecordFiles, runKubectlValetkey, verifyRecords } from './record-files.ts';

const { node } = testContext;
const perCustomer = {
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{folder}/*'] }],
  params: { folder: { pattern: '[a-z]+', maxLength: 20 } },
};

type TimelineStep = { kind: string; text: string };
type Records = ReturnType<typeof holdRecordFiles>;

/** Runs `audit timeline` on the records of all replicas, the log of the cloud, and further arguments. */
const readTimeline = async (run: string, records: Records, ...args: string[]): Promise<string> => {
  const files = records.files().flatMap((file) => ['--records', file]);
  const log = cloud.opsLog === undefined ? [] : ['--cloud-log', cloud.opsLog];
  return runKubectlValetkey(['audit', 'timeline', run, ...files, ...log, ...args]);
};

/** Reads the timeline of a run until it shows the end. */
const waitForTimeline = (
  run: string,
  records: Records,
  listArgs: () => Promise<string[]> = () => Promise.resolve([]),
): Promise<TimelineStep[]> =>
  waitFor('a record of its end', async () => {
    const text = await readTimeline(run, records, '-o', 'json', ...(await listArgs()));
    const { steps } = JSON.parse(text) as { steps: TimelineStep[] };
    return steps.at(-1)?.kind === 'end' && steps;
  });

// The files are on the node.
if (node !== undefined) {
  describe(`the audit records of a run (${cloud.name})`, () => {
    const place: PodRef = { namespace: '', pod: 'audited' };
    let run: string;
    // Another test may replace the authority's pods, and with them their volumes.
    let records: Records;

    beforeAll(async () => {
      records = holdRecordFiles(node, `audit-${testContext.entry}`);
      place.namespace = await createNamespace('audit');
      const { pod: name, namespace } = place;
      await runPod({ name, namespace, tasks: { read: perCustomer } });
      const request = { params: { folder: 'reports' }, purpose: 'a report for the test' };
      const started = await startRun(place, request);
      run = started.run;
      const env = toEnvironment(started.credentials);
      expect(await callCloudFromPod(place, 'get', 'reports/q3.csv', { env })).toEqual({
        status: 200,
      });
      expect(await callCloudFromPod(place, 'get', 'secrets/keys.txt', { env })).toMatchObject({
        status: 403,
      });
      expect((await callSidecarFromPod(place, 'DELETE', `/v1/runs/${run}`)).status).toBe(204);
    });

    afterAll(() => {
      records.stop();
    });

    const recordRun = async (): Promise<void> => {
      const { run: next } = await startRun(place, { params: { folder: 'reports' } });
      await callSidecarFromPod(place, 'DELETE', `/v1/runs/${next}`);
    };

    it('give a timeline from its intent to its end, with the calls that the cloud logged', async () => {
      const steps = await waitForTimeline(run, records);
      // Only RGW has a log of its own.
      const calls = cloud.opsLog === undefined ? [] : ['cloud call', 'cloud call'];
      expect(steps.map(({ kind }) => kind)).toEqual([
        'intent',
        'policy',
        'credentials',
        ...calls,
        'end',
      ]);
      const text = await readTimeline(run, records, '-o', 'text');
      expect(text).toContain(
        `task read of pod ${place.namespace}/audited (system:serviceaccount:${place.namespace}:agent) by agent with {"folder":"reports"} to a report for the test`,
      );
      expect(text).toContain('allow by valetkey-starter/');
      expect(text).toContain(`session audited@${run} of ${cloud.roles['agent-reports']}`);
      expect(text).toMatch(/end +completed/);
      if (calls.length === 0) return;
      expect(text).toMatch(/get_obj acme-data\/reports\/q3\.csv: 200, from 10\.20\./);
      expect(text).toMatch(
        /get_obj acme-data\/secrets\/keys\.txt: 403 AccessDenied, from 10\.20\./,
      );
    });

    // Only the authority of RGW exports its files.
    if (cloud.name === 'rgw') {
      it('arrive in the bucket when their file is closed, and verify in place of the file', async () => {
        const exported = await waitFor(
          'a closed file of the volume in the bucket',
          async () => {
            await Promise.all([recordRun(), recordRun(), recordRun()]);
            const held = new Set(records.files().map((file) => readFileSync(file, 'utf8')));
            return (await readExportedFiles(cloud)).find((text) => held.has(text));
          },
          { timeoutMs: 300_000 },
        );
        const copy = join(mkdtempSync(join(node.folder, 'exported-')), 'exported.jsonl');
        writeFileSync(copy, exported);
        const result = await verifyRecords(node, () =>
          records.files().map((file) => (readFileSync(file, 'utf8') === exported ? copy : file)),
        );
        expect(result).toMatchObject({ isWhole: true, faults: [] });
      });
    }

    it('verify, and fail verification if they are modified', async () => {
      const result = await verifyRecords(node, records.files);
      expect(result).toMatchObject({ isWhole: true, faults: [], heads: 2 });
      const folder = mkdtempSync(join(node.folder, 'edited-'));
      const edited = records.files().map((file, index) => {
        const copy = join(folder, `${index}.jsonl`);
        const text = readFileSync(file, 'utf8');
        writeFileSync(copy, text.replaceAll('a report for the test', 'a report for no test!'));
        return copy;
      });
      const { isWhole, faults } = await verifyRecords(node, () => edited);
      expect(isWhole).toBe(false);
      expect(faults.map(({ code }) => code)).toContain('modified');
    });
  });

  describe(`the timeline of a run whose calls the gateway signs (${cloud.name})`, () => {
    const place: PodRef = { namespace: '', pod: 'signed' };
    let run: string;
    let records: Records;

    beforeAll(async () => {
      records = holdRecordFiles(node, `audit-sign-${testContext.entry}`);
      place.namespace = await createNamespace('audit-sign');
      const { pod: name, namespace } = place;
      await runPod({ name, namespace, tasks: { read: { ...perCustomer, delivery: 'sign' } } });
      const started = await startRun(place, { params: { folder: 'reports' } });
      run = started.run;
      const env = toEnvironment(started.credentials);
      for (const [key, status] of [
        ['reports/q3.csv', 200],
        ['secrets/keys.txt', 403],
      ] as const) {
        expect(await callCloudFromPod(place, 'get', key, { env })).toMatchObject({ status });
      }
      expect((await callSidecarFromPod(place, 'DELETE', `/v1/runs/${run}`)).status).toBe(204);
    });

    afterAll(() => {
      records.stop();
    });

    /** The log of the sidecar has the journal of its calls. */
    const listJournals = async (): Promise<string[]> => {
      const folder = join(node.folder, 'journals');
      mkdirSync(folder, { recursive: true });
      const file = join(folder, `${run}.log`);
      writeFileSync(file, await readLogs(cluster, { ...place, container: SIDECAR_CONTAINER }));
      return ['--calls', file];
    };

    it('has each call with its decision, next to the line of the cloud about it', async () => {
      const steps = await waitForTimeline(run, records, listJournals);
      // When the sidecar reports its calls does not depend on them.
      const found = steps.filter(({ kind }) => kind !== 'summary');
      const object = (key: string) => `s3.GetObject on arn:aws:s3:::acme-data/${key}`;
      const address = await readPodAddress(place);
      expect(found.map(({ kind, text }) => `${kind}: ${text}`)).toEqual([
        expect.stringMatching(/^intent: /),
        expect.stringMatching(/^policy: allow/),
        expect.stringContaining(`credentials: session signed@${run}`),
        expect.stringContaining(`call: ${object('reports/q3.csv')} (s3:GetObject): allowed`),
        `cloud call: get_obj acme-data/reports/q3.csv: 200, from ${address}`,
        expect.stringContaining(
          `call: ${object('secrets/keys.txt')} (s3:GetObject): refused resource_outside`,
        ),
        expect.stringMatching(/^end: completed/),
      ]);
    });
  });
}
