import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
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
import { holdRecordFiles, runKubectlValetkey, verifyRecords } from './record-files.ts';

const { node } = testContext;
const perCustomer = {
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/{folder}/*'] }],
  params: { folder: { pattern: '[a-z]+', maxLength: 20 } },
};

type TimelineStep = { kind: string; text: string };

// The files stand on the node.
if (node !== undefined) {
  describe(`what is on record (${cloud.name})`, () => {
    const place: PodRef = { namespace: '', pod: 'told' };
    let run: string;
    // Another test may replace the authority's pods meanwhile, and their volumes with them.
    let records: ReturnType<typeof holdRecordFiles>;

    beforeAll(async () => {
      records = holdRecordFiles(node, `audit-${testContext.entry}`);
      place.namespace = await createNamespace('audit');
      const { pod: name, namespace } = place;
      await runPod({ name, namespace, tasks: { read: perCustomer } });
      const wish = { params: { folder: 'reports' }, purpose: 'the story of one run' };
      const started = await startRun(place, wish);
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

    const storyOf = async (output: string) => {
      const files = records.files().flatMap((file) => ['--records', file]);
      const log = cloud.opsLog === undefined ? [] : ['--cloud-log', cloud.opsLog];
      return (await runKubectlValetkey(['audit', 'timeline', run, ...files, ...log, '-o', output]))
        .text;
    };

    test('tells one run from its intent to its end', async () => {
      const steps = await waitFor('its end to be on record', async () => {
        const told = JSON.parse(await storyOf('json')) as { steps: TimelineStep[] };
        return told.steps.at(-1)?.kind === 'end' && told.steps;
      });
      // Only RGW keeps a log of its own.
      const calls = cloud.opsLog === undefined ? [] : ['cloud call', 'cloud call'];
      expect(steps.map(({ kind }) => kind)).toEqual([
        'intent',
        'policy',
        'credentials',
        ...calls,
        'end',
      ]);
      const text = await storyOf('text');
      expect(text).toContain(
        `task read of pod ${place.namespace}/told (system:serviceaccount:${place.namespace}:agent) by agent with {"folder":"reports"} to the story of one run`,
      );
      expect(text).toContain('allow by valetkey-starter/');
      expect(text).toContain(`session told@${run} of ${cloud.roles['agent-reports']}`);
      expect(text).toMatch(/end +completed/);
      if (calls.length === 0) return;
      expect(text).toMatch(/get_obj acme-data\/reports\/q3\.csv: 200, from 10\.20\./);
      expect(text).toMatch(
        /get_obj acme-data\/secrets\/keys\.txt: 403 AccessDenied, from 10\.20\./,
      );
    });

    test('is whole, and no byte of it changes unseen', async () => {
      const verdict = await verifyRecords(node, records.files);
      expect(verdict).toMatchObject({ isWhole: true, faults: [], heads: 2 });
      const folder = mkdtempSync(join(node.folder, 'edited-'));
      const edited = records.files().map((file, index) => {
        const copy = join(folder, `${index}.jsonl`);
        const text = readFileSync(file, 'utf8');
        writeFileSync(copy, text.replaceAll('the story of one run', 'the story of no run!'));
        return copy;
      });
      const { isWhole, faults } = await verifyRecords(node, () => edited);
      expect(isWhole).toBe(false);
      expect(faults.map(({ code }) => code)).toContain('modified');
    });
  });
}
