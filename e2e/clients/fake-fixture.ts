import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { chooseResponseTimeoutMs } from '../../lib/runs/response-timeout.ts';
import type { Fixture, CreateFixture } from './scenario-runner.ts';
import type { Conditions } from './scenarios.ts';

type FakeRun = { accessKeyId: string; endsAt: number; renewsAt: number };

const fakeObjects = {
  readable: 'data/reports/one',
  foreign: 'data/secret/one',
  work: 'data/work',
};

/**
 * Creates fakes of a sidecar and a cloud that verify only access keys and their expiration, to try clients
 * and scenarios without the real ones.
 */
export const createFakeFixture: CreateFixture = async (given) => {
  const conditions = { ...given };
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-fixture-'));
  const tokenFile = join(folder, 'token');
  const token = randomBytes(16).toString('hex');
  writeFileSync(tokenFile, token);
  const runs: FakeRun[] = [];
  const sidecar = await startServer(handleCredentials(conditions, runs, token));
  const cloud = await startServer(handleObjects(runs));
  return {
    env: buildEnvironment(sidecar, cloud, tokenFile),
    objects: fakeObjects,
    change: (to) => Promise.resolve(void Object.assign(conditions, to)),
    stop: async () => {
      await Promise.all([closeServer(sidecar), closeServer(cloud)]);
      rmSync(folder, { recursive: true });
    },
  };
};

const buildEnvironment = (sidecar: Server, cloud: Server, tokenFile: string): Fixture['env'] => ({
  AWS_CONTAINER_CREDENTIALS_FULL_URI: `${getAddress(sidecar)}/v1/credentials`,
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile,
  AWS_EC2_METADATA_DISABLED: 'true',
  AWS_REGION: 'us-east-1',
  AWS_ENDPOINT_URL_S3: getAddress(cloud),
});

const handleCredentials =
  (conditions: Conditions, runs: FakeRun[], token: string): RequestListener =>
  async (request, response) => {
    const latest = runs.at(-1);
    if (request.headers.authorization !== token) {
      sendError(response, 401, 'unauthorized');
      return;
    }
    if (latest !== undefined && Date.now() < latest.renewsAt) {
      sendKeys(response, latest);
      return;
    }
    if (conditions.exchange === 'grants') {
      const waitMs = chooseResponseTimeoutMs(request.headers['user-agent']);
      return grantRun(conditions, runs, { response, waitMs });
    }
    if (latest !== undefined && Date.now() < latest.endsAt) {
      sendKeys(response, latest);
      return;
    }
    sendError(response, 403, 'not_allowed');
  };

async function grantRun(
  conditions: Conditions,
  runs: FakeRun[],
  { response, waitMs }: { response: ServerResponse; waitMs: number },
): Promise<void> {
  await pause(Math.min(conditions.exchangeDelayMs, waitMs));
  if (conditions.exchangeDelayMs > waitMs) {
    conditions.exchangeDelayMs -= waitMs;
    response.setHeader('Retry-After', '1');
    sendError(response, 503, 'exchanging');
    return;
  }
  const lifetimeMs = conditions.lifetimeSeconds * 1000;
  const [endsAt, renewsAt] = [Date.now() + lifetimeMs, Date.now() + lifetimeMs / 2];
  const run = {
    accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
    endsAt,
    renewsAt,
  };
  runs.push(run);
  sendKeys(response, run);
}

const handleObjects =
  (runs: FakeRun[]): RequestListener =>
  (request, response) => {
    const used = /Credential=([^/]+)\//.exec(request.headers.authorization ?? '')?.[1];
    const run = runs.find(({ accessKeyId }) => accessKeyId === used);
    const isAllowed =
      request.method === 'GET' && request.url?.startsWith(`/${fakeObjects.readable}`);
    const isValid = run !== undefined && Date.now() < run.endsAt;
    request.resume();
    if (isValid && isAllowed === true) return void response.end('contents');
    response.writeHead(403, { 'content-type': 'application/xml' });
    response.end('<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>');
  };

function sendKeys(response: ServerResponse, { accessKeyId, endsAt }: FakeRun): void {
  const Expiration = new Date(endsAt - 600).toISOString();
  const keys = { AccessKeyId: accessKeyId, SecretAccessKey: 'unverified', Token: 'unverified' };
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ ...keys, Expiration }));
}

function sendError(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ Code: code, Message: `${code} by the fixture` }));
}

async function startServer(answer: RequestListener): Promise<Server> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const getAddress = (server: Server): string =>
  `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

function closeServer(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
