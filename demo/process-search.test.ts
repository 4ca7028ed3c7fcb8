import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { searchProcess } from './process-search.ts';

/** The child computes the texts, so that they are in its memory and not in its command. */
const PROGRAM = `
  const { createHash } = require('node:crypto');
  const hash = (text) => createHash('sha256').update(text);
  const toHex = (byte) => [...byte.toString(16).padStart(2, '0')];
  const twoBytes = [...hash('two').digest()].flatMap(toHex).flatMap((c) => [c.charCodeAt(0), 0]);
  globalThis.held = [hash('one').digest('hex'), Buffer.from(twoBytes)];
  setInterval(() => undefined, 60_000);
  console.log('ready');
`;
const ONE = '7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed';
const TWO = '3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3';
const THREE = '8b5b9db0c13db24256c829aa364aa90c6d2eba318b9232a4ab9313b954d3555f';
/** Other systems than Linux show the environment alone. */
const HAS_MEMORY = existsSync('/proc/self/mem');
const ENV = { LABEL: 'in-the-environment' };

let child: ChildProcess;
beforeEach(async () => {
  child = spawn(process.execPath, ['-e', PROGRAM], { env: ENV });
  if (child.stdout !== null) await once(child.stdout, 'data');
});
afterEach(() => {
  child.kill('SIGKILL');
});

const toNeedles = (...texts: readonly string[]) =>
  texts.map((text) => ({ description: text, text }));

describe('searchProcess', () => {
  it('finds what the environment holds', async () => {
    const { found } = await searchProcess(child.pid ?? 0, ENV, toNeedles(ENV.LABEL, THREE));
    expect([...found]).toEqual([ENV.LABEL]);
  });

  it('finds what the memory holds, with one or two bytes for each character, and nothing else', async () => {
    const { found, memoryBytes = 0 } = await searchProcess(
      child.pid ?? 0,
      {},
      toNeedles(ONE, TWO, THREE),
    );
    expect([...found].sort()).toEqual(HAS_MEMORY ? [TWO, ONE] : []);
    expect(memoryBytes > 1024 * 1024).toBe(HAS_MEMORY);
  });

  it('says that it saw no memory of a process that is not there', async () => {
    child.kill('SIGKILL');
    await once(child, 'close');
    const search = await searchProcess(child.pid ?? 0, ENV, toNeedles(ENV.LABEL, ONE));
    expect(search).toEqual({ found: new Set([ENV.LABEL]), memoryBytes: undefined });
  });
});
