import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { listRunnableBlocks } from '../../e2e/tests/guide/guide-blocks.ts';

const root = join(import.meta.dirname, '..', '..');
const readPage = (path: string): string => readFileSync(join(root, path), 'utf8');
const TOKEN = 'token-of-this-start';
const DAY_MS = 86_400_000;

const buildKeys = (accessKeyId: string) => ({
  ...{ AccessKeyId: accessKeyId, SecretAccessKey: 'secret', Token: 'session' },
  Expiration: new Date(Date.now() + DAY_MS).toISOString(),
});

const readBody = async (request: IncomingMessage): Promise<string> => {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString();
};

/** Responds as the sidecar and the cloud do to what the guides request, and with 400 to all else. */
const respond = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const { method = '', url = '', headers } = request;
  const body = await readBody(request);
  const { authorization = '' } = headers;
  const send = (status: number, value: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  const isOwn = authorization === TOKEN && headers.upgrade === undefined;
  const isSignedBy = (key: string): boolean => authorization.includes(`Credential=${key}/`);
  const { pathname } = new URL(url, 'http://valetkey');
  switch (`${method} ${pathname}`) {
    case 'GET /v1/credentials': {
      send(isOwn ? 200 : 400, buildKeys('DEFAULT'));
      return;
    }
    case 'POST /v1/tasks/answer/runs': {
      const isRun = isOwn && headers['content-type'] === 'application/json';
      if (!isRun || body !== '{"params":{"customer":"initech"}}') {
        send(403, { Code: 'policy_denied', Message: body });
        return;
      }
      send(201, { run: 'r', expiresAt: 'later', credentials: buildKeys('RUN') });
      return;
    }
    case 'GET /acme-data/reports/today.csv':
      return void response.writeHead(isSignedBy('DEFAULT') ? 200 : 400).end('today');
    case 'GET /acme-data/customers/initech/orders.csv':
      return void response.writeHead(isSignedBy('RUN') ? 200 : 400).end('orders');
    default: {
      send(400, { Code: 'unexpected', Message: `${method} ${url}` });
      return;
    }
  }
};

describe('docs/guides', () => {
  const folder = mkdtempSync(join(tmpdir(), 'guides-'));
  let server: Server;
  let env: NodeJS.ProcessEnv;

  beforeAll(async () => {
    server = createServer((request, response) => void respond(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    writeFileSync(join(folder, 'token'), TOKEN);
    env = {
      PATH: process.env['PATH'],
      AWS_REGION: 'eu-central-1',
      AWS_ENDPOINT_URL: address,
      AWS_CONTAINER_CREDENTIALS_FULL_URI: `${address}/v1/credentials`,
      AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: join(folder, 'token'),
    };
  });

  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  const runProgram = (text: string) =>
    promisify(execFile)(process.execPath, ['--input-type=module', '--eval', text], {
      ...{ cwd: root, env, timeout: 25_000 },
    });

  it.each([
    ['with the default task', 0, 'today\n'],
    ['in a run with params', 1, 'orders\n'],
  ])('run the program that reads %s in JavaScript', async (_, index, expected) => {
    const program = listRunnableBlocks('docs/guides/javascript.md')[index]?.text ?? '';
    expect((await runProgram(program)).stdout).toBe(expected);
  });

  it('report the code and the message of a refusal in JavaScript', async () => {
    const program = listRunnableBlocks('docs/guides/javascript.md')[1]?.text ?? '';
    const other = runProgram(program.replace("customer: 'initech'", "customer: 'acme'"));
    await expect(other).rejects.toThrow('policy_denied: {"params":{"customer":"acme"}}');
  });

  it('name as oldest version the one of docs/clients.md', () => {
    const rows = readPage('docs/clients.md');
    const versions = ['javascript', 'python', 'go', 'java'].flatMap((name) =>
      Array.from(
        readPage(`docs/guides/${name}.md`).matchAll(/(?<name>\S+) from (?<version>[\d.]*\d) on/g),
        ({ groups = {} }) => groups['version'] ?? '',
      ),
    );
    expect(versions).toEqual(['3.503.1', '1.34.41', '1.32.41', '17.0.0', '1.23.2', '2.21.33']);
    for (const version of versions) expect(rows).toContain(`| ${version}: `);
  });
});
