import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { listFilesBelow } from '../../../test/kit/files.ts';
import { readPodUid } from '../node-access.ts';
import { testContext } from '../test-context.ts';
import { startHoldingPod } from './holding-pod.ts';
import type { HoldingPod } from './holding-pod.ts';
import { readProcessEnvironment, searchMemory } from './process-memory.ts';

const { node } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine, to read its memory');

const findTexts = (text: string, wanted: readonly string[]): string[] =>
  wanted.filter((each) => text.includes(each));

describe('the keys that the cloud issued to a sign task', () => {
  let pod: HoldingPod;

  beforeAll(async () => {
    pod = await startHoldingPod(node, 'held');
  });

  it('are in the memory of the sidecar, which shows that the search finds them', () => {
    expect(searchMemory(pod.sidecar, pod.issued).found.length).toBeGreaterThanOrEqual(3);
  });

  it('are not in the memory of the agent, which holds its local keys while it uploads', () => {
    const results = pod.agent.map((id) => searchMemory(id, [...pod.issued, ...pod.local]));
    const found = new Set(results.flatMap((result) => result.found));
    expect(found).toEqual(new Set(pod.local));
  });

  it('are not in the environment of the agent', () => {
    const environment = pod.agent.map(readProcessEnvironment).join('\n');
    const wanted = ['AWS_ENDPOINT_URL', ...pod.issued];
    expect(findTexts(environment, wanted)).toEqual(['AWS_ENDPOINT_URL']);
  });

  it('are in no volume of the pod', async () => {
    const files = listFilesBelow(join(node.podsFolder, await readPodUid(pod.place)));
    expect(files.filter((file) => file.endsWith('/seed'))).not.toEqual([]);
    const holders = files.filter(
      (file) => findTexts(readFileSync(file, 'latin1'), pod.issued).length > 0,
    );
    expect(holders).toEqual([]);
  });
});
