import type { NetConnectOpts } from 'node:net';
import { connectSocket } from './raw-request.ts';

/** One response of a server: its status, the gateway's code, and its body. */
export type RawResponse = { status: number; code: string | undefined; body: string };

/** A response that has not come by then never comes. */
const QUIET_MS = 1_500;

/**
 * Sends texts at once on one connection, and reads all responses until it is closed or quiet.
 *
 * @returns the complete responses, in their order
 */
export const readResponses = (
  to: NetConnectOpts,
  texts: readonly string[],
): Promise<RawResponse[]> =>
  new Promise((resolve) => {
    const socket = connectSocket(to);
    let received = Buffer.alloc(0);
    let timer: NodeJS.Timeout | undefined;
    const settle = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(parseResponses(received.toString('latin1')));
    };
    const wait = (): void => {
      clearTimeout(timer);
      timer = setTimeout(settle, QUIET_MS);
    };
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      wait();
    });
    socket.on('close', settle);
    socket.write(texts.join(''));
    wait();
  });

const parseResponses = (text: string): RawResponse[] => {
  const responses: RawResponse[] = [];
  let rest = text;
  for (;;) {
    const end = rest.indexOf('\r\n\r\n');
    const head = rest.slice(0, end);
    const status = /^HTTP\/1\.1 (\d{3})/.exec(head)?.[1];
    if (end < 0 || status === undefined) return responses;
    const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? 0);
    const code = /^x-valetkey-code: (\w+)/im.exec(head)?.[1];
    const body = rest.slice(end + 4, end + 4 + length);
    if (status !== '100') responses.push({ status: Number(status), code, body });
    rest = rest.slice(end + 4 + length);
  }
};
