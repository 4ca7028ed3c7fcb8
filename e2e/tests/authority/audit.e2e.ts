import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import {
  toEnvironment,
  callCloudFromPod,
  callSidecarFromPod,
  cloud,
  createNamespace,
  runPod,
  testContext,
} from '../test-context.ts';
import type { PodRef } from '../test-context.ts';
import { startRun } from './sidecar-runs.ts';
import { readExportedFiles } from './exported-files.ts';
import { holdRecordFiles, runKubectlValetkey, verifyRecords } from './record-files.ts';

const { node } = testContext;
const perCustomer = {
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{folder}/*'] }],
  params: { folder: { pattern: '[a-z]+', maxLength: 20 } },
};

type TimelineStep = { kind: string; text: string };

// The files are on the node.
if (node !== undefined) {
  describe(`the audit records of a run (${cloud.name})`, () => {
    const place: PodRef = { namespace: '', pod: 'audited' };
    let run: string;
    // Another test may replace the authority's pods, and with them their volumes.
    let records: ReturnType<typeof holdRecordFiles>;

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

    const readTimeline = async (output: string) => {
      const files = records.files().flatMap((file) => ['--records', file]);
      const log = cloud.opsLog === undefined ? [] : ['--cloud-log', cloud.opsLog];
      return (await runKubectlValetkey(['audit', 'timeline', run, ...files, ...log, '-o', output]))
        .text;
    };

    const recordRun = async (): Promise<void> => {
      const { run: next } = await startRun(place, { params: { folder: 'reports' } });
      await callSidecarFromPod(place, 'DELETE', `/v1/runs/${next}`);
    };

    it('give a timeline from its intent to its end, with the calls that the cloud logged', async () => {
      const steps = await waitFor('a record of its end', async () => {
        const timeline = JSON.parse(await readTimeline('json')) as { steps: TimelineStep[] };
        return timeline.steps.at(-1)?.kind === 'end' && timeline.steps;
      });
      // Only RGW has a log of its own.
      const calls = cloud.opsLog === undefined ? [] : ['cloud call', 'cloud call'];
      expect(steps.map(({ kind }) => kind)).toEqual([
        'intent',
        'policy',
        'credentials',
        ...calls,
        'end',
      ]);
      const text = await readTimeline('text');
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
}
