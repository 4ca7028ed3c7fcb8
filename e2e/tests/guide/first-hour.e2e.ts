import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { waitFor } from '../../../test/kit/retry.ts';
import { CommandError } from '../../cluster/command.ts';
import { testContext } from '../test-context.ts';
import { readGuideBlocks, substitute, toLines } from './guide-blocks.ts';
import { createQuickstartShell, useLocalImage } from './quickstart-shell.ts';
import type { RunBlock } from './guide-shell.ts';

const { images, node } = testContext;
const blocks = readGuideBlocks('docs/first-hour.md');

/** The text of a block, by its heading, its language and its place among those. */
const getBlock = (heading: string, language: string, index = 0): string => {
  const found = blocks.filter((each) => each.heading === heading && each.language === language);
  const text = found[index]?.text;
  if (text === undefined) throw new Error(`${heading}: expected a block ${language} ${index}`);
  return text;
};

// MinIO's image is imported into the node's containerd.
if (node !== undefined) {
  describe('docs/first-hour.md', () => {
    const folder = mkdtempSync(join(node.folder, 'guide-'));
    const ran: string[] = [];
    let runText: RunBlock;

    /** Runs a line of the page. */
    const run = (line: string): Promise<string> => {
      ran.push(line);
      return runText(line);
    };

    /** The output of a line that ends with exit status 1, as a decision against the caller does. */
    const runRefused = async (line: string): Promise<string> => {
      try {
        await run(line);
      } catch (error) {
        if (error instanceof CommandError) return `${error.stdout}${error.stderr}`;
        throw error;
      }
      throw new Error(`${line}: expected a refusal`);
    };

    beforeAll(async () => {
      runText = await createQuickstartShell(node, folder);
    });

    it('installs', async () => {
      const [install, inspect] = [getBlock('Install', 'sh'), getBlock('Install', 'sh', 1)];
      ran.push(...toLines(install));
      expect(await runText(useLocalImage(install))).toContain('2026-01,1204');
      for (const line of toLines(inspect)) await run(line);
    });

    it('runs a first task', async () => {
      const heading = 'Run your first task';
      const reader = substitute(getBlock(heading, 'yaml'), {
        'image: amazon/aws-cli:2.27.0': `image: ${images.awscli}\n      imagePullPolicy: Never`,
        'do aws s3 cp': `do ${testContext.awscliCommand.join(' ')} s3 cp`,
      });
      writeFileSync(join(folder, 'reader.yaml'), reader);
      const [apply = '', ready = '', follow = '', tasks = '', runs = ''] = toLines(
        getBlock(heading, 'sh'),
      );
      await run(apply);
      await run(ready);
      ran.push(follow);
      // Ctrl-C: the shell ends with the first line that is looked for.
      expect(
        await runText(`set +o pipefail; timeout 60 ${follow} | grep --max-count 1 2026-01`),
      ).toBe('2026-01,1204\n');
      expect(await run(tasks)).toMatch(/^quickstart +reader +agent +read-reports /m);
      expect(await run(runs)).toContain('reader');
    }, 200_000);

    it('refuses its run by a first policy, and permits a shorter one', async () => {
      const heading = 'Write your first policy';
      writeFileSync(join(folder, 'first-policy.yaml'), getBlock(heading, 'yaml'));
      const [apply = '', list = '', decide = ''] = toLines(getBlock(heading, 'sh'));
      await run(apply);
      expect(await run(list)).toContain('first-hour');
      expect(await runRefused(decide)).toContain(getBlock(heading, 'text'));
      // "Write `lifetime: 5m` in `reader.yaml`"
      await runText("sed -i 's/lifetime: 10m/lifetime: 5m/' reader.yaml");
      const [lint = '', remove = '', again = ''] = toLines(getBlock(heading, 'sh', 1));
      expect(await run(lint)).toContain('faults: 0');
      await run(remove);
      await run(again);
    }, 200_000);

    it('refuses a first call outside of the task', async () => {
      const heading = 'See your first refusal';
      expect(await runRefused(getBlock(heading, 'sh').trim())).toContain(
        getBlock(heading, 'text', 1),
      );
    });

    it('revokes a first agent, whose calls are then refused', async () => {
      const [revoke = '', logs = '', runs = '', list = ''] = toLines(
        getBlock('Revoke your first agent', 'sh'),
      );
      await waitFor('the new agent to read its object', async () =>
        (await runText(logs)).includes('2026-01,1204'),
      );
      await run(revoke);
      await waitFor('a refused call in the log of the agent', async () =>
        /\b403\b|AccessDenied/.test(await run(logs)),
      );
      expect(await run(runs)).not.toContain('reader');
      expect(await run(list)).not.toBe('');
    }, 200_000);

    it('removes everything', async () => {
      for (const index of [0, 1, 2]) {
        for (const line of toLines(getBlock('Remove it', 'sh', index))) await run(line);
      }
      expect(await runText('kubectl get namespace quickstart --ignore-not-found')).toBe('');
    }, 200_000);

    it('has run every command of the page', () => {
      const all = blocks
        .filter(({ language }) => language === 'sh')
        .flatMap(({ text }) => toLines(text));
      expect(all.filter((line) => !ran.includes(line))).toEqual([]);
    });
  });
}
