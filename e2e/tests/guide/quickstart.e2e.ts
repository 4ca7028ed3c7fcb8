import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { testContext } from '../test-context.ts';
import { readGuideBlocks } from './guide-blocks.ts';
import type { RunBlock } from './guide-shell.ts';
import { createQuickstartShell, useLocalImage } from './quickstart-shell.ts';

const { node } = testContext;
const blocks = readGuideBlocks('docs/quickstart.md');
const [commands = '', output = '', inspection = '', removal = ''] = blocks.map(({ text }) => text);

/** Ten minutes are the promise of the page. */
const PROMISE_MS = 600_000;

// MinIO's image is imported into the node's containerd.
if (node !== undefined) {
  /** Each refusal has an ID of its own. */
  const hideRefusalIds = (text: string): string =>
    text.replaceAll(/"refusal":"[\w-]{36}"/g, '"refusal":"…"');

  describe('docs/quickstart.md', () => {
    const folder = mkdtempSync(join(node.folder, 'guide-'));
    let run: RunBlock;
    let firstOutput = '';

    beforeAll(async () => {
      run = await createQuickstartShell(node, folder);
    });

    it('has the blocks that these tests run, and its commands are in README.md', () => {
      expect(blocks.map(({ heading, language }) => `${heading}: ${language}`)).toEqual([
        'Run the three commands: sh',
        'Run the three commands: text',
        'See what happened: sh',
        'Remove it: sh',
      ]);
      expect(readGuideBlocks('README.md').map(({ text }) => text)).toContain(commands);
    });

    it('prints one allowed and one refused call after three commands', async () => {
      const startedAt = Date.now();
      firstOutput = await run(useLocalImage(commands));
      expect(Date.now() - startedAt).toBeLessThan(PROMISE_MS);
      expect(hideRefusalIds(firstOutput)).toContain(output);
    });

    it('prints the same when it is run again, with another agent', async () => {
      const readUid = () =>
        run("kubectl -n quickstart get pod agent -o jsonpath='{.metadata.uid}'");
      const before = await readUid();
      const [last = ''] = commands.trim().split('\n').slice(-1);
      expect(hideRefusalIds(firstOutput)).toContain(hideRefusalIds(await run(last)));
      expect(await readUid()).not.toBe(before);
    });

    it('shows its tasks and records, and decides about a call', async () => {
      const [tasks = '', tail = '', decision = ''] = inspection.trim().split('\n');
      expect(await run(tasks)).toMatch(/^quickstart +agent +allowed +read-reports +aws +sign /m);
      expect(await run(tail)).toMatch(/ {2}run\.issued .* quickstart\/agent read-reports /);
      expect(await run(decision)).toMatch(/^ {2}call allowed {2}s3:GetObject /m);
      const refused = run(decision.replace('reports/today.csv', 'private/keys.txt'));
      await expect(refused).rejects.toThrow('resource_outside');
    });

    it('deletes its namespace and the release', async () => {
      const output = await run(removal);
      expect(output).toContain('namespace quickstart is deleted');
      expect(output).toContain('release "valetkey" uninstalled');
      expect(await run('kubectl get namespace quickstart --ignore-not-found')).toBe('');
      await run('kubectl -n valetkey wait pod --all --for=delete --timeout=120s');
    });
  });
}
