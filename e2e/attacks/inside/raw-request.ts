import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { readFileSync } from 'node:fs';

export const LOOPBACK: NetConnectOpts = { host: '127.0.0.1', port: 9471 };
export const LOOPBACK_HOST = '127.0.0.1:9471';

export const getOwnSocket = (): NetConnectOpts => ({ path: process.env['VALETKEY_SOCKET'] ?? '' });

/** Reads the Authorization header that an SDK in this container sends. */
export const readOwnToken = (): string =>
  readFileSync(process.env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'] ?? '', 'utf8');

const RESPONSE_TIMEOUT_MS = 30_000;

/** Connects, and ignores errors unless the caller handles them. */
export const connectSocket = (to: NetConnectOpts): Socket =>
  connect(to).on('error', () => undefined);

/**
 * Sends raw bytes.
 *
 * @returns status and code of the first response, such as `401 unauthorized`; without one,
 * `refused ECONNREFUSED`, `timeout` or `cut`
 */
export const sendRaw = (to: NetConnectOpts, text: string | Buffer): Promise<string> =>
  new Promise((resolve) => {
    const socket = connectSocket(to);
    let answer = '';
    const settle = (otherwise: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(formatResponse(answer) ?? otherwise);
    };
    const timer = setTimeout(() => settle('timeout'), RESPONSE_TIMEOUT_MS);
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      if (isComplete(answer)) settle('');
    });
    socket.on('close', () => settle('cut'));
    socket.on('error', ({ code = '' }: NodeJS.ErrnoException) =>
      settle(/^(EPIPE|ECONNRESET)$/.test(code) ? 'cut' : `refused ${code}`),
    );
    socket.write(text);
  });

const isComplete = (answer: string): boolean => {
  const [head = '', body] = answer.split('\r\n\r\n', 2);
  const length = Number(/content-length: (\d+)/i.exec(head)?.[1] ?? 0);
  return body !== undefined && Buffer.byteLength(body) >= length;
};

const formatResponse = (answer: string): string | undefined => {
  const status = /^HTTP\/1\.1 (\d{3})/.exec(answer)?.[1];
  const code = /"Code":"([^"]*)"/.exec(answer)?.[1];
  return status && (code === undefined ? status : `${status} ${code}`);
};
