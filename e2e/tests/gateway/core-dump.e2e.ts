import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { runCommand } from '../../cluster/command.ts';
import { testContext } from '../test-context.ts';
import { startHoldingPod } from './holding-pod.ts';
import type { HoldingPod } from './holding-pod.ts';
import { searchFile } from './process-memory.ts';

const { node } = testContext;
if (node === undefined)
  throw new Error('expected a cluster on this machine, to dump its processes');

describe('the keys that the cloud issued to a sign task', () => {
  const folder = mkdtempSync(join(node.folder, 'core-'));
  let pod: HoldingPod;

  beforeAll(async () => {
    pod = await startHoldingPod(node, 'core-dump');
  });

  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  /** Writes the core of a process as the kernel would, without ending it, and searches it. */
  const searchCore = async (processId: string): Promise<string[]> => {
    const prefix = join(folder, 'core');
    await runCommand('gcore', ['-o', prefix, processId], { timeoutMs: 300_000 });
    const file = `${prefix}.${processId}`;
    try {
      return searchFile(file, [...pod.issued, ...pod.local]);
    } finally {
      rmSync(file);
    }
  };

  it('are in a core of the sidecar, which shows that the search finds them', async () => {
    const found = await searchCore(pod.sidecar);
    expect(found.filter((text) => pod.issued.includes(text)).length).toBeGreaterThanOrEqual(3);
  });

  it('are not in a core of the agent, which has its local keys', async () => {
    const found: string[] = [];
    for (const id of pod.agent) found.push(...(await searchCore(id)));
    expect(new Set(found)).toEqual(new Set(pod.local));
  });
});
