import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';

import { afterEach, describe, expect, test } from '@jest/globals';

import { createCertificateAuthority } from '../../lib/certificate/certificate-authority.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { createPodFolder } from './fixtures/test-sidecar.ts';

const removing: (() => void)[] = [];
afterEach(() => {
  for (const remove of removing.splice(0)) remove();
});

const MAIN = join(import.meta.dirname, 'main.ts');

/** The program as a process of its own; `until` ends the wait for a line. */
const runMain = (environment: Readonly<Record<string, string>>, args: readonly string[] = []) => {
  const child = spawn(process.execPath, [MAIN, ...args], { env: environment });
  let output = '';
  const exit = new Promise<number | null>((resolve) => child.on('exit', resolve));
  const until = (text: string): Promise<void> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (output.includes(text)) resolve();
      };
      child.stdout.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        look();
      });
      void exit.then(() => reject(new Error(output)));
    });
  return { child, exit, until, output: () => output };
};

describe('the sidecar program', () => {
  test('serves until SIGTERM and then exits 0 within 1.5 s', async () => {
    const pod = createPodFolder([buildTask()]);
    removing.push(pod.remove);
    const { child, exit, until } = runMain(pod.environment);
    await until('sidecar ready');
    const begun = performance.now();
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(performance.now() - begun).toBeLessThan(1500);
  }, 20_000);

  test('serves and exits 0 also while the authority is unreachable, and needs no cloud setting', async () => {
    const pod = createPodFolder([buildTask()]);
    removing.push(pod.remove);
    const { certificate } = await createCertificateAuthority({
      now: Date.now(),
      lifetimeMs: 60_000,
    });
    const { child, exit, until } = runMain({
      ...pod.environment,
      VALETKEY_CLOUD: '',
      VALETKEY_TRUST: 'authority',
      VALETKEY_AUTHORITY: JSON.stringify({ endpoint: 'https://127.0.0.1:1', roots: certificate }),
    });
    await until('sidecar ready');
    await until('authority disconnected');
    const begun = performance.now();
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(performance.now() - begun).toBeLessThan(1500);
  }, 20_000);

  test('logs every invalid setting and exits 1', async () => {
    const { exit, until, output } = runMain({ VALETKEY_TASKS: '{}' });
    await until('VALETKEY_CLOUD');
    expect(await exit).toBe(1);
    for (const line of output().trim().split('\n')) {
      expect(JSON.parse(line)).toMatchObject({ level: 'error', message: 'setting refused' });
    }
  }, 20_000);

  test('names the setting of a port in use, exits 1, and publishes no token', async () => {
    const occupant = createServer();
    await new Promise<void>((resolve) => occupant.listen(0, '127.0.0.1', resolve));
    const { port } = occupant.address() as AddressInfo;
    const pod = createPodFolder([buildTask()]);
    removing.push(pod.remove, () => occupant.close());
    const { exit, until } = runMain({ ...pod.environment, VALETKEY_TELEMETRY_LISTEN: `:${port}` });
    await until('VALETKEY_TELEMETRY_LISTEN');
    expect(await exit).toBe(1);
    expect(readdirSync(join(pod.folder, 'agent'))).not.toContain('token');
  }, 20_000);

  test('names the setting of an unusable directory and exits 1', async () => {
    const pod = createPodFolder([buildTask()]);
    removing.push(pod.remove);
    const folder = join(pod.folder, 'gone');
    const { exit, until } = runMain({ ...pod.environment, VALETKEY_CONSUMERS_FOLDER: folder });
    await until('VALETKEY_CONSUMERS_FOLDER');
    expect(await exit).toBe(1);
  }, 20_000);

  test('prints its settings with --help', async () => {
    const { exit, until } = runMain({}, ['--help']);
    await until('VALETKEY_TASKS');
    expect(await exit).toBe(0);
  }, 20_000);
});
