import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import {
  createCertificateAuthority,
  signLeaf,
} from '../../lib/certificate/certificate-authority.ts';
import { NODE_PATH, PROGRAM_FOLDER } from '../../lib/contract/paths.ts';
import { SIDECAR_COMMAND, SIDECAR_RUNTIME_ENV } from '../../lib/contract/runtime.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { findFreePorts } from '../../test/kit/free-ports.ts';
import { createPodFolder, sendRequest } from './fixtures/test-sidecar.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const CLOUD = 'https://cloud.example';
const REPORT = { Bucket: 'acme-data', Key: 'reports/a' };

let folder: string;
const closers: (() => unknown)[] = [];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-bundle-'));
  const built = join(folder, 'built');
  const script = join(ROOT, 'tools', 'build', 'main.ts');
  const build = spawnSync(process.execPath, [script, '--out', built], { cwd: folder });
  if (build.status !== 0) throw new Error(build.stderr.toString());
  renameSync(built, join(folder, 'moved'));
}, 120_000);
afterAll(async () => {
  for (const close of closers.reverse()) await close();
  rmSync(folder, { recursive: true });
});

const listen = async (server: Server): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return (server.address() as AddressInfo).port;
};

const ASSUMED_ROLE = `<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIACLOUDKEY</AccessKeyId><SecretAccessKey>cloud-secret</SecretAccessKey><SessionToken>cloud-token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;

/** Over TLS, with STS and an S3 that returns what it was sent. */
const startTlsCloud = async (): Promise<{ port: number; roots: string }> => {
  const terms = { now: Date.now(), lifetimeMs: 3_600_000 };
  const authority = await createCertificateAuthority(terms);
  const leaf = await signLeaf(authority, { names: ['cloud.example'], ...terms });
  const respond = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    incoming.resume().once('end', () => {
      outgoing.setHeader('content-type', 'text/xml');
      outgoing.end(
        incoming.url === '/' ? ASSUMED_ROLE : String(incoming.headers.authorization).slice(0, 50),
      );
    });
  };
  const server = createTlsServer({ cert: leaf.certificate, key: leaf.key }, respond);
  closers.push(() => server.closeAllConnections());
  return { port: await listen(server), roots: authority.certificate };
};

/** Connects every tunnel to one port. */
const startProxy = async (port: number): Promise<{ url: string; tunnels: string[] }> => {
  const tunnels: string[] = [];
  const server = createServer((_, outgoing) => outgoing.writeHead(405).end());
  server.on('connect', ({ url = '' }: IncomingMessage, client: Socket) => {
    tunnels.push(url);
    const upstream = connect(port, '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(upstream).pipe(client);
    });
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
    closers.push(() => client.destroy());
  });
  return { url: `http://127.0.0.1:${await listen(server)}`, tunnels };
};

const startBundle = (environment: Readonly<Record<string, string>>) => {
  const [command = '', ...flags] = SIDECAR_COMMAND.map((part) =>
    part.replace(NODE_PATH, process.execPath).replace(PROGRAM_FOLDER, join(folder, 'moved')),
  );
  const { NODE_COMPILE_CACHE: _, ...runtime } = SIDECAR_RUNTIME_ENV;
  const child = spawn(command, flags, { env: { ...runtime, ...environment }, cwd: folder });
  let output = '';
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const ready = new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('sidecar ready')) resolve();
    });
    void exit.then(() => reject(new Error(output)));
  });
  closers.push(() => child.kill('SIGKILL'));
  return { child, ready, exit };
};

describe('the bundle of the sidecar', () => {
  it('signs calls over TLS and through a proxy with the flags of its container, and exits at once', async () => {
    const cloud = await startTlsCloud();
    const proxy = await startProxy(cloud.port);
    const settings = { region: 'eu-central-1', dialect: 's3', caBundle: cloud.roots };
    const pod = createPodFolder([buildTask({ delivery: 'sign', default: true })]);
    closers.push(pod.remove);
    const [loopback = 0, gateway = 0] = await findFreePorts(2);
    const { child, ready, exit } = startBundle({
      ...pod.environment,
      VALETKEY_LOOPBACK_LISTEN: `127.0.0.1:${loopback}`,
      VALETKEY_GATEWAY_LISTEN: `127.0.0.1:${gateway}`,
      VALETKEY_CLOUD: JSON.stringify({ ...settings, stsEndpoint: CLOUD, httpsProxy: proxy.url }),
      VALETKEY_GATEWAY: JSON.stringify({
        ...settings,
        httpsProxy: proxy.url,
        endpoints: [{ service: 's3', url: CLOUD }],
        maxBodyBytes: 8 * 1024 * 1024,
        bufferBytes: 32 * 1024 * 1024,
      }),
    });
    await ready;
    const token = readFileSync(join(pod.folder, 'agent', 'token'), 'utf8');
    const answer = await sendRequest({
      port: loopback,
      path: '/v1/credentials',
      headers: { Authorization: token },
    });
    const keys = JSON.parse(answer.text) as Record<string, string>;
    const client = new S3Client({
      endpoint: `http://127.0.0.1:${gateway}`,
      region: 'eu-central-1',
      credentials: {
        accessKeyId: keys['AccessKeyId'] ?? '',
        secretAccessKey: keys['SecretAccessKey'] ?? '',
        sessionToken: keys['Token'] ?? '',
      },
      forcePathStyle: true,
      maxAttempts: 1,
    });
    closers.push(() => client.destroy());
    const { Body } = await client.send(new GetObjectCommand(REPORT));
    expect(await Body?.transformToString()).toContain('Credential=ASIACLOUDKEY/');
    await expect(client.send(new PutObjectCommand({ ...REPORT, Body: 'x' }))).rejects.toThrow(
      's3:PutObject on arn:aws:s3:::acme-data/reports/a is outside task summarize',
    );
    expect(new Set(proxy.tunnels)).toEqual(new Set(['cloud.example:443']));
    const begun = performance.now();
    child.kill('SIGTERM');
    expect(await exit).toBe(0);
    expect(performance.now() - begun).toBeLessThan(1500);
  }, 60_000);

  it('has the operation tables and their licence beside it, and the gateway in a file of its own', () => {
    for (const name of ['data/operations/s3.json', 'data/operations/NOTICE.botocore']) {
      expect(existsSync(join(folder, 'moved', name))).toBe(true);
    }
    const read = (name: string): string => readFileSync(join(folder, 'moved', name), 'utf8');
    const mark = 'createCallHandler';
    expect(read('sidecar-gateway.cjs')).toContain(mark);
    expect(read('sidecar.cjs')).not.toContain(mark);
  });
});
