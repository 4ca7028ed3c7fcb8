import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import { buildIntent, createAuditFile, publicKeys } from '../../lib/audit/fixtures/recording.ts';
import { verifyChain } from '../../lib/audit/verify.ts';
import type { Audit, AuditConfig } from './audit.ts';
import {
  createTestHeads,
  listAuditFiles,
  measureAuditFiles,
  startTestAudit,
  verifyAuditFiles,
  waitUntilPublished,
  type TestHeads,
} from './fixtures/audit-harness.ts';
import { floodVolume } from './fixtures/audit-volume.ts';

jest.setTimeout(600_000);

const MIB = 1024 * 1024;

let folder: string;
let audits: Audit[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-volume-'));
  audits = [];
});
afterEach(async () => {
  await Promise.all(audits.map((audit) => audit.close()));
  rmSync(folder, { recursive: true, force: true });
});

const start = async (
  heads: TestHeads,
  config: Partial<AuditConfig>,
  onOutput: (text: string) => void = () => undefined,
): Promise<Audit> => {
  const audit = await startTestAudit({ folder, heads, config }, { onOutput });
  audits.push(audit);
  return audit;
};

/** Records runs, many at a time, as concurrent requests do. */
const recordRuns = async ({ record }: Audit, runs: number): Promise<void> => {
  for (let done = 0; done < runs; done += 500) {
    const batch = Array.from({ length: Math.min(500, runs - done) }, (_, run) =>
      record(buildIntent(`run-${done + run}`)),
    );
    await Promise.all(batch);
  }
};

describe('startAudit', () => {
  it('removes the oldest files at 70 % of the volume, and what is left verifies', async () => {
    const heads = createTestHeads();
    let log = '';
    const audit = await start(heads, { auditVolumeBytes: MIB }, (text) => (log += text));
    await waitUntilPublished(audit);
    await recordRuns(audit, 4_000);
    expect(measureAuditFiles(folder)).toBeLessThan(MIB + 500 * 1_500);
    expect(listAuditFiles(folder)).not.toContain('audit-00000001.jsonl');
    await audits.pop()?.close();
    const report = await verifyAuditFiles(folder, heads);
    expect(report).toMatchObject({ isWhole: true, notes: [{ code: 'pruned' }], unverified: [] });
    const joined = await verifyAuditFiles(folder, heads, log);
    expect(joined).toMatchObject({ isWhole: true, chains: [{ first: 0 }] });
    expect(joined.chains[0]?.records).toBe(log.split('\n').length - 1);
  });

  it('uses 70 % of a volume that is smaller than configured', async () => {
    const config = { auditVolumeBytes: 64 * MIB, auditMaxBytes: 32 * MIB };
    const readSpace = () => Promise.resolve({ sizeBytes: MIB, freeBytes: MIB });
    const audit = await startTestAudit({ folder, heads: createTestHeads(), config }, { readSpace });
    audits.push(audit);
    await waitUntilPublished(audit);
    await recordRuns(audit, 4_000);
    expect(listAuditFiles(folder)).not.toContain('audit-00000001.jsonl');
  });

  it('goes on recording, and removes nothing, while heads cannot be published', async () => {
    const heads = createTestHeads();
    const audit = await start(heads, { auditVolumeBytes: MIB });
    await waitUntilPublished(audit);
    heads.state.isDown = true;
    await recordRuns(audit, 2_000);
    expect(listAuditFiles(folder)).toContain('audit-00000001.jsonl');
    expect(measureAuditFiles(folder)).toBeGreaterThan(MIB);
  });

  it('writes the last records of a killed process to standard output again', async () => {
    const heads = createTestHeads();
    const first = await start(heads, {});
    heads.state.isDown = true;
    await first.record({ ...buildIntent('run-1'), kind: 'run.ended', reason: 'completed' });
    heads.state.isDown = false;
    let log = '';
    await start(heads, {}, (text) => (log += text));
    const runs = log.split('\n').filter((line) => line.includes('"uid":"run-1"'));
    expect(runs).toHaveLength(1);
    const settings = { publicKeys, isMissingStartAllowed: true };
    expect(await verifyChain([createAuditFile(log)], settings)).toMatchObject({
      isWhole: true,
      unverified: [{ code: 'unsealed_before_restart' }],
    });
    audits.shift();
    await expect(first.close()).rejects.toMatchObject({ code: 'other_writer' });
  });

  it('records no intent and nothing else before its first head is published', async () => {
    const heads = createTestHeads();
    heads.state.isDown = true;
    const audit = await start(heads, {});
    const refusal = { kind: 'run.refused', reason: 'policy_denied' } as const;
    for (const event of [buildIntent('run-1'), { ...buildIntent('run-1'), ...refusal }]) {
      await expect(audit.record(event)).rejects.toMatchObject({ code: 'head_unpublished' });
    }
    heads.state.isDown = false;
    await waitUntilPublished(audit);
    await audit.record(buildIntent('run-2'));
  });
});

describe('a process that was killed before it published a head', () => {
  it('has recorded nothing that a writer of the volume could remove without a trace', async () => {
    const heads = createTestHeads();
    await (await start(heads, {})).close();
    audits = [];
    const file = join(folder, 'audit-00000001.jsonl');
    const closed = readFileSync(file);
    heads.state.isDown = true;
    const killed = await start(heads, {});
    const event = { ...buildIntent('run-1'), kind: 'run.refused', reason: 'x' } as const;
    const outcomes = await Promise.allSettled([killed.record(event)]);
    await killed.close();
    writeFileSync(file, closed);
    heads.state.isDown = false;
    audits = [];
    await start(heads, {});
    const { isWhole, unverified } = await verifyAuditFiles(folder, heads);
    expect({ isWhole, unverified }).toEqual({ isWhole: true, unverified: [] });
    expect(outcomes).toMatchObject([{ status: 'rejected' }]);
  });
});

describe('a volume of 64 MiB', () => {
  it('never fills, whatever one namespace requests, and nothing of the others is refused', async () => {
    // `make e2e-full` records a million on a larger volume.
    await floodVolume(10_000, 16 * MIB);
  });
});
