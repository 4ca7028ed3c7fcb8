import { connect, type NetConnectOpts, type Socket } from 'node:net';
import { readFileSync } from 'node:fs';

export const LOOPBACK: NetConnectOpts = { host: '127.0.0.1', port: 9471 };
export const LOOPBACK_HOST = '127.0.0.1:9471';

export const getOwnSocket = (): NetConnectOpts => ({ path: process.env['VALETKEY_SOCKET'] ?? '' });

/** What an SDK of this container sends as its authorization. */
export const readOwnToken = (): string =>
  readFileSync(process.env['AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'] ?? '', 'utf8');

const RESPONSE_TIMEOUT_MS = 30_000;

/** A connection whose errors are nobody's. */
export const connectSocket = (to: NetConnectOpts): Socket =>
  connect(to).on('error', () => undefined);

/**
 * Sends bytes as they are.
 *
 * @returns the status and code of the first answer: `401 unauthorized`; `refused ECONNREFUSED`, or
 * how the connection ended without one
 */
export const sendRaw = (to: NetConnectOpts, text: string | Buffer): Promise<string> =>
  new Promise((resolve) => {
    const socket = connectSocket(to);
    let answer = '';
    const tell = (otherwise: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(formatResponse(answer) ?? otherwise);
    };
    const timer = setTimeout(() => tell('silence'), RESPONSE_TIMEOUT_MS);
    socket.on('data', (chunk) => {
      answer += chunk.toString();
      if (isComplete(answer)) tell('');
    });
    socket.on('close', () => tell('cut'));
    socket.on('error', ({ code = '' }: NodeJS.ErrnoException) =>
      tell(/^(EPIPE|ECONNRESET)$/.test(code) ? 'cut' : `refused ${code}`),
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
