import { request } from 'node:http';
import type { NetConnectOpts, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { LOOPBACK, LOOPBACK_HOST, open, ownSocket, ownToken, sendRaw } from './raw-request.ts';

const HALF = `GET /v1/credentials HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\n`;

/** Sooner, and it would be the processor that is fought for. */
const AGAIN_MS = 1_000;

/** So many connections, opened again when they are cut, until the time is over. */
const hoard = async (
  to: NetConnectOpts,
  { count, text, ms }: { count: number; text: string; ms: number },
): Promise<string> => {
  const held = new Set<Socket>();
  let opened = 0;
  let isOver = false;
  const more = (): void => {
    const socket = open(to);
    opened += 1;
    held.add(socket);
    socket.on('connect', () => socket.write(text));
    socket.on('close', () => {
      held.delete(socket);
      if (!isOver) setTimeout(more, AGAIN_MS);
    });
    socket.resume();
  };
  for (let n = 0; n < count; n += 1) more();
  await pause(ms);
  isOver = true;
  held.forEach((socket) => socket.destroy());
  return `${opened} opened`;
};

/** Requests without end on one connection, whose answers nobody reads. */
const pipeline = async (to: NetConnectOpts, ms: number): Promise<string> => {
  const one = `GET /v1/tasks HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nAuthorization: ${ownToken()}\r\n\r\n`;
  const block = one.repeat(500);
  const socket = open(to).pause();
  let sent = 0;
  const more = (): void => {
    while (!socket.destroyed && socket.write(block)) sent += 500;
  };
  socket.on('connect', more).on('drain', more);
  await pause(ms);
  socket.destroy();
  return `${sent} sent`;
};

const start = (body: string): string =>
  `POST /v1/tasks/read/runs HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Bodies that are promised and never come, 16 KiB of each sent. */
const HALF_BODY = `POST /v1/tasks/read/runs HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nContent-Type: application/json\r\nContent-Length: 16384\r\n\r\n${'a'.repeat(16_383)}`;

/** Starts with another purpose each, as many as there are answers for. */
const startMany = async (count: number): Promise<string> => {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      sendRaw(ownSocket(), start(JSON.stringify({ purpose: `${n} ${'p'.repeat(240)}` }))),
    ),
  );
  return tally(answers);
};

/** Starts runs and completes them, several at once, until it is held back or the time is over. */
const startAndComplete = async (ms: number): Promise<string> => {
  const end = performance.now() + ms;
  const answers: string[] = [];
  const isHeldBack = (): boolean => answers.some((answer) => answer.startsWith('429'));
  const loop = async (number: number): Promise<void> => {
    while (performance.now() < end && !isHeldBack()) {
      const { status, run } = await startOne(`${number} ${answers.length}`);
      answers.push(status);
      if (run === undefined) continue;
      const path = `DELETE /v1/runs/${run} HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\n\r\n`;
      answers.push(await sendRaw(ownSocket(), path));
    }
  };
  await Promise.all([1, 2, 3, 4].map(loop));
  return tally(answers);
};

const startOne = (purpose: string): Promise<{ status: string; run?: string }> =>
  new Promise((resolve) => {
    const call = request({
      socketPath: process.env['VALETKEY_SOCKET'],
      method: 'POST',
      path: '/v1/tasks/read/runs',
      headers: { 'content-type': 'application/json' },
    });
    call.on('error', () => resolve({ status: 'cut' }));
    call.on('response', (response) => {
      let text = '';
      response.on('data', (chunk: Buffer) => (text += chunk.toString()));
      response.on('end', () => {
        const body = JSON.parse(text) as { run?: string; Code?: string };
        const status = [response.statusCode, body.Code].filter(Boolean).join(' ');
        resolve({ status, ...(body.run !== undefined && { run: body.run }) });
      });
    });
    call.end(JSON.stringify({ purpose }));
  });

const tally = (answers: readonly string[]): string => {
  const counts = new Map<string, number>();
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return [...counts].map(([answer, count]) => `${count} × ${answer}`).join(', ');
};

/** What uses things up: attempt → how far it came. */
export const flooding: Record<string, (ms: number) => Promise<string>> = {
  'half-open on loopback': (ms) => hoard(LOOPBACK, { count: 500, text: HALF, ms }),
  'silent on loopback': (ms) => hoard(LOOPBACK, { count: 500, text: '', ms }),
  'idle on loopback with the token': (ms) =>
    hoard(LOOPBACK, {
      count: 500,
      text: `GET /v1/tasks HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nAuthorization: ${ownToken()}\r\n\r\n`,
      ms,
    }),
  'half-open on its socket': (ms) => hoard(ownSocket(), { count: 500, text: HALF, ms }),
  'half a body on its socket': (ms) => hoard(ownSocket(), { count: 500, text: HALF_BODY, ms }),
  'pipelined without reading': (ms) => pipeline(ownSocket(), ms),
  'many starts': () => startMany(2_000),
  'start and complete': startAndComplete,
};
