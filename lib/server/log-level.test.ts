import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';

import type { ReconcileLoop } from '../async/reconcile-loop.ts';
import { createPinoLog } from '../edge/telemetry/pino-log.ts';
import { waitUntil } from '../../test/kit/retry.ts';
import { startLogLevelReload } from './log-level.ts';

let folder: string;
let file: string;
let loop: ReconcileLoop | undefined;
let lines: Record<string, unknown>[];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-level-'));
  file = join(folder, 'webhook.log-level');
  lines = [];
});
afterEach(() => {
  loop?.stop();
  rmSync(folder, { recursive: true });
});

const start = (otherwise: 'info' | 'warn' = 'info') => {
  const destination = new Writable({
    write: (chunk: Buffer, _, done) => {
      lines.push(JSON.parse(chunk.toString()) as Record<string, unknown>);
      done();
    },
  });
  const log = createPinoLog({ program: 'webhook', level: otherwise }, destination);
  loop = startLogLevelReload({ file, otherwise, everyMs: 1 }, { log, setLevel: log.setLevel });
  return log;
};

const waitForLine = (message: string, fields: object = {}) =>
  waitUntil(() =>
    lines.find(
      (line) =>
        line['message'] === message &&
        Object.entries(fields).every(([name, value]) => line[name] === value),
    ),
  );

describe('startLogLevelReload', () => {
  it('applies the level of the file, and each later one, to a running log', async () => {
    writeFileSync(file, 'debug\n');
    const log = start();
    await waitForLine('log level changed', { from: 'info', to: 'debug' });
    log.debug('seen');
    writeFileSync(file, 'error');
    await waitForLine('log level changed', { from: 'debug', to: 'error' });
    log.warn('unseen');
    expect(lines.map(({ message }) => message)).toEqual([
      'log level changed',
      'seen',
      'log level changed',
    ]);
  });

  it('returns to the level of the settings when the file is gone', async () => {
    writeFileSync(file, 'debug');
    start();
    await waitForLine('log level changed', { to: 'debug' });
    rmSync(file);
    await waitForLine('log level changed', { from: 'debug', to: 'info' });
  });

  it('keeps the level and warns once about text that is no level', async () => {
    writeFileSync(file, 'verbose');
    const log = start('warn');
    await waitForLine('invalid log level');
    writeFileSync(file, 'debug');
    await waitForLine('log level changed', { from: 'warn', to: 'debug' });
    log.debug('seen');
    expect(lines.filter(({ message }) => message === 'invalid log level')).toEqual([
      expect.objectContaining({
        fault: expect.stringContaining('expected debug, info, warn, error') as unknown,
      }),
    ]);
  });
});
