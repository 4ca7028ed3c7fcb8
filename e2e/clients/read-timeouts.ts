import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startClient, type ClientCommand } from './client-process.ts';

/** A client waits longer for an answer than this is measured. */
export const LONGEST_MEASURED_MS = 75_000;

const CREDENTIALS_PATH = '/v1/credentials';
const LIFETIME_MS = 3_600_000;

/**
 * Measures how long an unmodified client waits for the answer to a call of S3, by its own defaults: its cloud reads
 * the request and answers nothing.
 *
 * @returns milliseconds until it closed the connection of its first attempt; undefined if it waits longer than
 *   {@link LONGEST_MEASURED_MS}
 * @throws Error if it sends no request
 */
export const measureReadTimeout = async (command: ClientCommand): Promise<number | undefined> => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-timeout-'));
  const cloud = await startUnansweringCloud();
  try {
    const client = await startClient(command, buildEnvironment(folder, cloud.url));
    try {
      const answered = client.send('put acme-data/reports/draft', 2 * LONGEST_MEASURED_MS);
      answered.catch(() => undefined);
      return await Promise.race([
        cloud.firstAttempt,
        answered.then(async (answer) => {
          // The connection ends before or after the client says so.
          await pause(1_000);
          throw new Error(`expected a call that waits, got ${JSON.stringify(answer)}`);
        }),
      ]);
    } finally {
      await client.stop();
    }
  } finally {
    cloud.close();
    rmSync(folder, { recursive: true, force: true });
  }
};

/** For people: `60 s`, or that it is longer than what is measured. */
export const formatReadTimeout = (waitedMs: number | undefined): string =>
  waitedMs === undefined
    ? `more than ${LONGEST_MEASURED_MS / 1000} s`
    : `${(waitedMs / 1000).toFixed(1)} s`;

/** Serves credentials as a sidecar does, and answers no other request. */
const startUnansweringCloud = async () => {
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const server: Server = createServer((request, response) => {
    if (request.url === CREDENTIALS_PATH) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(buildCredentials()));
      return;
    }
    const startedAt = performance.now();
    request.resume();
    request.socket.once('close', () => resolve(performance.now() - startedAt));
    setTimeout(() => resolve(undefined), LONGEST_MEASURED_MS).unref();
  });
  await new Promise<void>((started) => server.listen(0, '127.0.0.1', started));
  const close = (): void => {
    server.closeAllConnections();
    server.close();
  };
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, firstAttempt: promise, close };
};

const buildCredentials = () => ({
  AccessKeyId: 'VALETKEYEXAMPLE00000',
  SecretAccessKey: 'a secret that no cloud accepts',
  Token: 'a token that no cloud accepts',
  Expiration: new Date(Date.now() + LIFETIME_MS).toISOString(),
});

const buildEnvironment = (folder: string, url: string): Readonly<Record<string, string>> => {
  const tokenFile = join(folder, 'token');
  writeFileSync(tokenFile, 'an authorization');
  return {
    CLIENT_LIMITS: 'sdk',
    AWS_REGION: 'eu-central-1',
    AWS_ENDPOINT_URL: url,
    AWS_ENDPOINT_URL_S3: url,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${url}${CREDENTIALS_PATH}`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: tokenFile,
  };
};
