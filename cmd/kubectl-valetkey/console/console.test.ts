import { existsSync } from 'node:fs';

import { describe, expect, it } from '@jest/globals';

import { runCli, type OpenedFile } from '../fixtures/cli-harness.ts';
import { sendRaw } from './fixtures/test-console.ts';

const findUrl = ({ text }: OpenedFile): string => /href="([^"]+)"/.exec(text)?.[1] ?? '';

describe('console', () => {
  it('prints its address, serves until it is interrupted, and then stops', async () => {
    let url = '';
    const { code, out, error } = await runCli(['console', '--open', '-o', 'json'], {
      whileOpen: async (file) => {
        url = findUrl(file);
        expect((await sendRaw(url)).status).toBe(200);
        file.interrupt();
      },
    });
    expect(JSON.parse(out)).toEqual({ url, user: 'alice', endsAt: '2026-01-05T21:30:00.000Z' });
    expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/[\w-]{43}\/$/);
    expect([code, error]).toEqual([0, 'console: ended\n']);
    await expect(sendRaw(url)).rejects.toThrow('ECONNREFUSED');
  });

  it('writes the file that opens the browser for the user alone, and removes it', async () => {
    let path = '';
    await runCli(['console', '--open'], {
      whileOpen: (file) => {
        ({ path } = file);
        expect(file.mode).toBe(0o600);
        expect(file.text).toContain(`content="0;url=${findUrl(file)}"`);
        file.interrupt();
        return Promise.resolve();
      },
    });
    expect(existsSync(path)).toBe(false);
  });

  it.each([
    [30 * 60_000, 'console: ended: no request for 30 minutes\n'],
    [8 * 3_600_000, 'console: ended: 8 hours are over\n'],
  ])('ends after %d ms', async (delay, expected) => {
    const { error } = await runCli(['console', '--open'], {
      whileOpen: ({ timers }) => {
        timers.find(({ delayMs }) => delayMs === delay)?.action();
        return Promise.resolve();
      },
    });
    expect(error).toBe(expected);
  });

  it('waits for 30 minutes again after each request with the key', async () => {
    const { timers } = await runCli(['console', '--open'], {
      whileOpen: async (file) => {
        await sendRaw(`${findUrl(file)}policies`);
        await sendRaw(`${new URL(findUrl(file)).origin}/wrong/`);
        file.interrupt();
      },
    });
    const idle = timers.filter(({ delayMs }) => delayMs === 30 * 60_000);
    expect(idle).toHaveLength(2);
    expect(timers.every(({ isCanceled }) => isCanceled)).toBe(true);
  });

  it('offers no form with --read-only', async () => {
    await runCli(['console', '--open', '--read-only'], {
      whileOpen: async (file) => {
        const { body } = await sendRaw(`${findUrl(file)}revocations`);
        expect(body).not.toContain('method="post"');
        file.interrupt();
      },
    });
  });
});
