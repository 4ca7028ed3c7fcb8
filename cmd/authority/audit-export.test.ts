import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import {
  buildIntent,
  createAuditFile,
  createRecordedFile,
  publicKeys,
} from '../../lib/audit/fixtures/recording.ts';
import { verifyChain } from '../../lib/audit/verify.ts';
import { createAuditUploader, type UploadOutcome } from '../../lib/edge/aws/audit-bucket.ts';
import { buildIssuedReply } from '../../lib/edge/aws/fixtures/sts-stub.ts';
import { startAuditBucket, type AuditBucket } from '../../test/kit/audit-bucket.ts';
import { exportPending, startAuditExport } from './audit-export.ts';
import type { Audit } from './audit.ts';
import {
  createTestHeads,
  listAuditFiles,
  measureAuditFiles,
  startTestAudit,
  waitUntilPublished,
  type TestHeads,
} from './fixtures/audit-harness.ts';
import { buildPlatformText, startAuthorityHarness } from './fixtures/authority-harness.ts';

jest.setTimeout(120_000);

const MIB = 1024 * 1024;
const REPLICA = 'valetkey-authority-0';
const PUBLISHER = 'arn:aws:iam::111122223333:role/publisher';
const FIRST = 'audit-00000001.jsonl';

let folder: string;
let bucket: AuditBucket;
let heads: TestHeads;
let audits: Audit[];
let outcomes: (UploadOutcome | 'failed')[];
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-export-'));
  bucket = await startAuditBucket();
  heads = createTestHeads();
  audits = [];
  outcomes = [];
});
afterEach(async () => {
  await Promise.all(audits.map((audit) => audit.close()));
  await bucket.close();
  rmSync(folder, { recursive: true, force: true });
});

const start = async (isExporting = true): Promise<Audit> => {
  const config = { auditVolumeBytes: MIB };
  const audit = await startTestAudit({ folder, heads, config }, { isExporting });
  audits.push(audit);
  await waitUntilPublished(audit);
  return audit;
};
const stop = async (): Promise<void> => {
  await audits.pop()?.close();
};

const recordRuns = ({ record }: Audit, runs: number) =>
  Promise.all(Array.from({ length: runs }, (_, run) => record(buildIntent(`run-${run}`))));

/** Small batches, because a file is closed only after a batch. */
const recordOverLimit = async (audit: Audit): Promise<void> => {
  for (let batch = 0; batch < 20; batch += 1) await recordRuns(audit, 100);
};

const buildDeps = ({ exports }: Audit) => {
  if (exports === undefined) throw new Error('expected files to export, got none');
  return {
    ...{ exports, replica: REPLICA, prefix: 'prod' },
    upload: createAuditUploader(bucket.settings, bucket.keys, { bucket: 'audit' }),
    onOutcome: (outcome: UploadOutcome | 'failed') => void outcomes.push(outcome),
  };
};
const exportFiles = (audit: Audit) => exportPending(buildDeps(audit));

const fill = async (): Promise<Audit> => {
  const audit = await start();
  await recordOverLimit(audit);
  return audit;
};

/** Records until the oldest file is removed, which happens in the background. */
const recordUntilPruned = async (audit: Audit): Promise<void> => {
  while (listAuditFiles(folder).includes(FIRST)) await recordRuns(audit, 50);
};

const verify = (files: Parameters<typeof verifyChain>[0]) =>
  verifyChain(files, { publicKeys, heads: heads.read() });
const downloadAll = () =>
  bucket.listKeys().map((key) => createAuditFile(bucket.readObject(key) ?? '', basename(key)));

describe('the export of audit files', () => {
  it('is off by default: there is nothing to export, and files are removed without it', async () => {
    const audit = await start(false);
    expect(audit.exports).toBeUndefined();
    await recordOverLimit(audit);
    await recordUntilPruned(audit);
  });

  it('removes no file before it was exported, even over the limit, and records go on', async () => {
    const audit = await fill();
    expect(measureAuditFiles(folder)).toBeGreaterThan(MIB);
    expect(listAuditFiles(folder)).toContain(FIRST);
    await exportFiles(audit);
    await recordUntilPruned(audit);
    expect(new Set(outcomes)).toEqual(new Set(['uploaded']));
  });

  it('stores files that verify without options, joined with what is left on the volume', async () => {
    const audit = await fill();
    await exportFiles(audit);
    await recordUntilPruned(audit);
    await exportFiles(audit);
    await stop();
    expect(bucket.listKeys()[0]).toMatch(
      /^prod\/valetkey-authority-0\/valetkey-authority-0\.[\w-]+\/audit-00000001\.jsonl$/,
    );
    const left = listAuditFiles(folder).map((name) =>
      createAuditFile(readFileSync(join(folder, name)), `volume-${name}`),
    );
    const report = await verify([...downloadAll(), ...left]);
    expect(report).toMatchObject({ isWhole: true, unverified: [], chains: [{ first: 0 }] });
  });

  it('resumes after a restart without a state: files in the bucket are not sent again', async () => {
    await exportFiles(await fill());
    const uploaded = outcomes.splice(0).length;
    await stop();
    const audit = await start();
    await exportFiles(audit);
    expect(outcomes.slice(0, uploaded)).toEqual(outcomes.slice(0, uploaded).map(() => 'present'));
    await recordUntilPruned(audit);
  });

  it('reports an object with other content, neither replaces it nor removes the file, and exports the rest', async () => {
    const first = await fill();
    await exportFiles(first);
    const [key = ''] = bucket.listKeys();
    await stop();
    bucket.put(key, 'other\n');
    outcomes.splice(0);
    const audit = await start();
    await expect(exportFiles(audit)).rejects.toThrow(key);
    expect(outcomes[0]).toBe('different');
    expect(outcomes.slice(1)).toContain('present');
    expect(bucket.readObject(key)).toBe('other\n');
    await recordRuns(audit, 200);
    expect(listAuditFiles(folder)).toContain(FIRST);
  });

  it('tries again after a failure, and names the code of the cloud', async () => {
    const audit = await fill();
    bucket.refuseNext('PUT', 503);
    const failures: string[] = [];
    const loop = startAuditExport({
      ...buildDeps(audit),
      onFailure: (error) => void failures.push((error as Error).message),
      random: () => 0,
    });
    await recordUntilPruned(audit);
    loop.stop();
    expect(failures).toEqual([`${FIRST}: expected a response 2xx, got Unavailable (503)`]);
    expect(outcomes.slice(0, 2)).toEqual(['failed', 'uploaded']);
  });

  it('keeps a file that was modified after it was exported', async () => {
    const audit = await fill();
    await exportFiles(audit);
    writeFileSync(join(folder, FIRST), '\n', { flag: 'a' });
    await recordRuns(audit, 500);
    expect(listAuditFiles(folder)).toContain(FIRST);
  });

  it('does not export a file without records, and exports the others', async () => {
    const audit = await fill();
    writeFileSync(join(folder, FIRST), 'nothing\n');
    await expect(exportFiles(audit)).rejects.toThrow(`${FIRST}: expected records of ${REPLICA}`);
    expect(outcomes.slice(0, 2)).toEqual(['failed', 'uploaded']);
  });
});

describe('startAuthority', () => {
  it('exports a closed file with the publisher role, to the endpoint and region of the export', async () => {
    const harness = await startAuthorityHarness();
    try {
      const { text } = await createRecordedFile(2);
      mkdirSync(harness.auditFolder);
      writeFileSync(join(harness.auditFolder, FIRST), text);
      writeFileSync(join(harness.auditFolder, 'audit-00000002.jsonl'), '');
      harness.setStsReply((form) => buildIssuedReply(form, 0, bucket.keys));
      const { settings } = bucket;
      const replica = await harness.start(
        harness.configure(
          {},
          buildPlatformText(
            harness.sts.port,
            `  auditExport: {role: "${PUBLISHER}", bucket: audit, prefix: prod, endpoint: "${settings.endpoint}", region: ${settings.region}}\n`,
          ),
        ),
      );
      await replica.waitUntilReady();
      const isExported = async () =>
        (await replica.telemetry('/metrics')).text.includes('exports_total{outcome="uploaded"} 1');
      while (!(await isExported()));
      expect(bucket.listKeys().map((key) => bucket.readObject(key))).toEqual([text]);
      expect(harness.sts.calls[0]?.get('RoleArn')).toBe(PUBLISHER);
    } finally {
      await harness.close();
    }
  });
});
