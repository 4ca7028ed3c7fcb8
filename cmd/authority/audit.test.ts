import { createReadStream, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';

import {
  buildIntent,
  createAuditFile,
  key,
  publicKeys,
} from '../../lib/audit/fixtures/recording.ts';
import { readHead, type Head } from '../../lib/audit/heads.ts';
import { verifyChain } from '../../lib/audit/verify.ts';
import type { ConfigMapStore } from '../../lib/edge/kubernetes/config-maps.ts';
import { startAudit, type Audit, type AuditConfig } from './audit.ts';

jest.setTimeout(120_000);

const REPLICA = 'valetkey-authority-0';
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

/** The ConfigMap of heads, which fails while `state.isDown`. */
const createHeads = () => {
  const data: Record<string, string> = {};
  const state = { isDown: false };
  const store: ConfigMapStore = {
    read: () => Promise.resolve({ resourceVersion: '1', data, annotations: {} }),
    create: () => Promise.resolve(),
    change: (change) =>
      state.isDown
        ? Promise.reject(new Error('no API server'))
        : Promise.resolve(void Object.assign(data, change.data)),
  };
  const read = (): Readonly<Record<string, Head>> => {
    const head = readHead(data[REPLICA] ?? '', REPLICA);
    return head.ok ? { [REPLICA]: head.value } : {};
  };
  return { store, state, read };
};

const start = async (
  heads: ReturnType<typeof createHeads>,
  settings: Partial<AuditConfig>,
  onOutput: (text: string) => void = () => undefined,
): Promise<Audit> => {
  const config: AuditConfig = {
    podName: REPLICA,
    auditFolder: folder,
    auditMaxBytes: undefined,
    auditVolumeBytes: undefined,
    auditRetainSeconds: undefined,
    ...settings,
  };
  const log = () => undefined;
  const audit = await startAudit(config, {
    keys: { sealing: key },
    heads: heads.store,
    clock: { now: () => Date.now(), monotonic: () => 0 },
    random: () => 0.5,
    log: { debug: log, info: log, warn: log, error: log },
    observer: { written: log, failed: log, refused: log },
    output: {
      write: (text, done) => {
        onOutput(text);
        done();
      },
    },
  });
  audits.push(audit);
  return audit;
};

const waitUntilPublished = async ({ isPublished }: Audit): Promise<void> => {
  while (!isPublished()) await new Promise((resolve) => setTimeout(resolve, 5));
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

const listNames = (): readonly string[] => readdirSync(folder).sort();
const measureFiles = (): number =>
  listNames().reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
const verify = (heads: Readonly<Record<string, Head>>, log?: string) =>
  verifyChain(
    [
      ...listNames().map((name) => ({ name, chunks: createReadStream(join(folder, name)) })),
      ...(log === undefined ? [] : [createAuditFile(log, 'log')]),
    ],
    { publicKeys, heads },
  );

describe('startAudit', () => {
  it('removes the oldest files by three quarters of the volume, and what is left verifies', async () => {
    const heads = createHeads();
    let log = '';
    const audit = await start(heads, { auditVolumeBytes: MIB }, (text) => (log += text));
    await waitUntilPublished(audit);
    await recordRuns(audit, 4_000);
    expect(measureFiles()).toBeLessThan(MIB + 500 * 1_500);
    expect(listNames()).not.toContain('audit-00000001.jsonl');
    await audits.pop()?.close();
    const report = await verify(heads.read());
    expect(report).toMatchObject({ isWhole: true, notes: [{ code: 'pruned' }], unverified: [] });
    const joined = await verify(heads.read(), log);
    expect(joined).toMatchObject({ isWhole: true, chains: [{ first: 0 }] });
    expect(joined.chains[0]?.records).toBe(log.split('\n').length - 1);
  });

  it('goes on recording, and removes nothing, while heads cannot be published', async () => {
    const heads = createHeads();
    const audit = await start(heads, { auditVolumeBytes: MIB });
    await waitUntilPublished(audit);
    heads.state.isDown = true;
    await recordRuns(audit, 2_000);
    expect(listNames()).toContain('audit-00000001.jsonl');
    expect(measureFiles()).toBeGreaterThan(MIB);
  });

  it('writes the last records of a killed process to standard output again', async () => {
    const heads = createHeads();
    heads.state.isDown = true;
    const first = await start(heads, {});
    await first.record({ ...buildIntent('run-1'), kind: 'run.ended', reason: 'completed' });
    heads.state.isDown = false;
    let log = '';
    await start(heads, {}, (text) => (log += text));
    const runs = log.split('\n').filter((line) => line.includes('"uid":"run-1"'));
    expect(runs).toHaveLength(1);
    expect(await verifyChain([createAuditFile(log)], { publicKeys })).toMatchObject({
      isWhole: true,
      unverified: [{ code: 'unsealed_before_restart' }],
    });
    audits.shift();
    await expect(first.close()).rejects.toMatchObject({ code: 'other_writer' });
  });

  it('refuses an intent, and no other record, before its first head is published', async () => {
    const heads = createHeads();
    heads.state.isDown = true;
    const audit = await start(heads, {});
    await expect(audit.record(buildIntent('run-1'))).rejects.toMatchObject({
      code: 'head_unpublished',
    });
    await audit.record({ ...buildIntent('run-1'), kind: 'run.refused', reason: 'policy_denied' });
    heads.state.isDown = false;
    await waitUntilPublished(audit);
    await audit.record(buildIntent('run-2'));
  });
});
