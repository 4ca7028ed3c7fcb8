import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import { buildRevocation } from '../../lib/revocation/fixtures/revocation-objects.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import { loadRevocationMemory } from './revocation-memory.ts';

let folder: string;
let failures: unknown[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-memory-'));
  failures = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

const load = (at = folder) => loadRevocationMemory(at, (error) => failures.push(error));

describe('loadRevocationMemory', () => {
  it('returns what was remembered last', async () => {
    const { remembered, remember } = await load();
    expect(remembered).toBeUndefined();
    const all = ['one', 'two'].map((name) => buildRevocation(name, { namespace: name }));
    for (const version of ['7', '8', '9']) remember({ version, revocations: all });
    const found = await waitUntil(async () => {
      const { remembered: last } = await load();
      return last?.version === '9' && last;
    });
    expect(found.revocations).toEqual(all);
    expect(failures).toEqual([]);
  });

  it('reports a file that it cannot read, and remembers nothing', async () => {
    writeFileSync(join(folder, 'revocations.json'), '{"version": 7}');
    expect((await load()).remembered).toBeUndefined();
    expect(failures).toHaveLength(1);
  });

  it('reports what it cannot write', async () => {
    const { remember } = await load();
    rmSync(folder, { recursive: true });
    remember({ version: '7', revocations: [] });
    await waitUntil(() => failures.length === 1);
    folder = mkdtempSync(join(tmpdir(), 'valetkey-memory-'));
  });

  it('remembers nothing without a folder', async () => {
    const { remembered, remember } = await load('');
    remember({ version: '7', revocations: [] });
    expect([remembered, (await load('')).remembered]).toEqual([undefined, undefined]);
  });
});
