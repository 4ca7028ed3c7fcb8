import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  createCertificateAuthority,
  signLeaf,
} from '../../lib/certificate/certificate-authority.ts';
import { TRACING_ENV, WEBHOOK_ENV, WEBHOOK_TUNING_ENV } from '../../lib/contract/environment.ts';
import { NODE_PATH, PROGRAM_FOLDER } from '../../lib/contract/paths.ts';
import { WEBHOOK_COMMAND } from '../../lib/contract/runtime.ts';
import { findFreePorts } from '../../test/kit/free-ports.ts';
import { UnrecoverableError, waitFor } from '../../test/kit/retry.ts';

const NAME = 'valetkey-webhook.valetkey.svc';
const ROOT = join(import.meta.dirname, '..', '..');

let folder: string;
let ca: string;
let program: string;
let port: number;
beforeAll(async () => {
  [port = 0] = await findFreePorts(1);
  folder = mkdtempSync(join(tmpdir(), 'valetkey-bundle-'));
  const built = join(folder, 'built');
  const build = spawnSync(
    process.execPath,
    [join(ROOT, 'tools', 'build', 'main.ts'), '--out', built],
    {
      cwd: folder,
    },
  );
  if (build.status !== 0) throw new Error(build.stderr.toString());
  program = join(folder, 'moved');
  renameSync(built, program);
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  const authority = await createCertificateAuthority(terms);
  const leaf = await signLeaf(authority, { names: [NAME], ...terms });
  ca = authority.certificate;
  writeFileSync(join(folder, 'tls.crt'), leaf.certificate);
  writeFileSync(join(folder, 'tls.key'), leaf.key);
  const platform =
    'trust: cluster\nsidecar: {image: "registry.example/v:1"}\ncloud: {region: eu-central-1}\ntasks: {accountIds: ["111122223333"]}\n';
  writeFileSync(join(folder, 'platform.yaml'), platform);
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true }));

const start = (environment: Record<string, string> = {}, args: string[] = []): ChildProcess => {
  const [command = '', ...flags] = WEBHOOK_COMMAND.map((part) =>
    part.replace(NODE_PATH, process.execPath).replace(PROGRAM_FOLDER, program),
  );
  const env = {
    NODE_OPTIONS: '',
    [WEBHOOK_TUNING_ENV.cluster]: 'none',
    [WEBHOOK_ENV.certificates]: 'files',
    [WEBHOOK_ENV.certificatesFolder]: folder,
    [WEBHOOK_ENV.platformFile]: join(folder, 'platform.yaml'),
    [WEBHOOK_ENV.namespace]: 'valetkey',
    [WEBHOOK_ENV.listen]: `127.0.0.1:${port}`,
    [WEBHOOK_ENV.telemetry]: '127.0.0.1:0',
    ...environment,
  };
  return spawn(command, [...flags, ...args], { env, cwd: folder });
};

/** Standard output up to the first line with `text`, or to its end. */
const outputUntil = (child: ChildProcess, text: string): Promise<string> =>
  new Promise((resolve) => {
    let output = '';
    const take = (chunk: Buffer): void => {
      output += chunk.toString();
      if (output.includes(text)) resolve(output);
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.once('close', () => resolve(output));
  });

const exit = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('exit', resolve));

const post = (path: string, body: object): Promise<string> =>
  new Promise((resolve, reject) => {
    const headers = { 'Content-Type': 'application/json' };
    const address = { host: '127.0.0.1', port, path, ca, servername: NAME };
    request({ ...address, method: 'POST', headers, agent: false }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
      answer.on('end', () => resolve(text));
    })
      .on('error', reject)
      .end(JSON.stringify(body));
  });

/** The first answer of the program; fails with its output if it ends before. */
const waitForAnswer = (
  child: ChildProcess,
  { path, body, output }: { path: string; body: object; output: Promise<string> },
): Promise<string> =>
  waitFor(
    'an answer of the webhook',
    async () => {
      if (child.exitCode !== null) throw new UnrecoverableError(await output);
      return post(path, body);
    },
    { intervalMs: 50 },
  );

describe('the webhook bundle with a collector of spans', () => {
  it('loads tracing next to it and sends a span of each review', async () => {
    const received: string[] = [];
    const collector = createServer((asked, response) => {
      asked.on('data', (chunk: Buffer) => received.push(chunk.toString()));
      asked.on('end', () => response.setHeader('Content-Type', 'application/json').end('{}'));
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    const child = start({
      [TRACING_ENV.endpoint]: `http://127.0.0.1:${(collector.address() as AddressInfo).port}`,
      [TRACING_ENV.samplerRatio]: '1',
    });
    const output = outputUntil(child, 'shutdown started');
    await waitForAnswer(child, { path: '/mutate', body: {}, output });
    const ended = exit(child);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    collector.closeAllConnections();
    collector.close();
    expect(received.join('')).toContain('"name":"POST /mutate"');
  });
});

describe('the webhook bundle, in another directory and with the flags of the image', () => {
  it('reads the catalog next to it, injects a pod, and exits with 0 on SIGTERM', async () => {
    const child = start();
    const output = outputUntil(child, 'shutdown started');
    const declaration = `
role: arn:aws:iam::111122223333:role/reports
allow: [{actions: [s3:getobjekt], resources: ["arn:aws:s3:::acme/reports/*"]}]
lifetime: 10m
`;
    const body = {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: {
        uid: 'u-1',
        kind: { group: '', version: 'v1', kind: 'Pod' },
        operation: 'CREATE',
        object: {
          metadata: { annotations: { 'task.valetkey.dev/read': declaration } },
          spec: { containers: [{ name: 'agent', image: 'agent:1' }] },
        },
      },
    };
    const answer = await waitForAnswer(child, { path: '/mutate', body, output });
    expect(answer).toContain('s3:GetObject');
    const ended = exit(child);
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
    expect(await output).toContain('shutdown started');
  }, 90_000);

  it('loads Cedar under trust: authority, and reports what it waits for', async () => {
    const authority = `sidecar: {image: "registry.example/v:1"}
cloud: {region: eu-central-1}
tasks: {accountIds: ["111122223333"]}
authority: {endpoint: "https://a.example", issuer: "https://i.example", trustDomain: td.example}
`;
    writeFileSync(join(folder, 'authority.yaml'), authority);
    const child = start({
      KUBERNETES_SERVICE_HOST: '127.0.0.1',
      KUBERNETES_SERVICE_PORT: '1',
      [WEBHOOK_TUNING_ENV.cluster]: 'kubernetes',
      [WEBHOOK_ENV.platformFile]: join(folder, 'authority.yaml'),
    });
    const ended = exit(child);
    expect(await outputUntil(child, 'policy watch failed')).toContain('policy watch failed');
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  }, 90_000);

  it('exits with the name of the variable if the environment could load code', async () => {
    const child = start({ SSLKEYLOGFILE: '/tmp/x' });
    const output = outputUntil(child, '\0');
    expect(await exit(child)).toBe(1);
    expect(await output).toContain('SSLKEYLOGFILE');
    expect(await output).not.toContain('/tmp/x');
  }, 90_000);

  it('prints its settings', async () => {
    const child = start({}, ['--help']);
    const output = outputUntil(child, '\0');
    expect(await exit(child)).toBe(0);
    expect(await output).toContain('VALETKEY_PLATFORM_FILE');
  }, 90_000);
});
