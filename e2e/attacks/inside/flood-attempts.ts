import { request } from 'node:http';
import type { NetConnectOpts, Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import {
  LOOPBACK,
  LOOPBACK_HOST,
  connectSocket,
  getOwnSocket,
  readOwnToken,
  sendRaw,
} from './raw-request.ts';

const HALF_REQUEST = `GET /v1/credentials HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\n`;

/** Shorter pauses would measure competition for the CPU. */
const RECONNECT_MS = 1_000;

/** Keeps `count` connections open, and reopens closed ones, until the time is over. */
const hoardConnections = async (
  to: NetConnectOpts,
  { count, text, ms }: { count: number; text: string; ms: number },
): Promise<string> => {
  const held = new Set<Socket>();
  let opened = 0;
  let isOver = false;
  const more = (): void => {
    const socket = connectSocket(to);
    opened += 1;
    held.add(socket);
    socket.on('connect', () => socket.write(text));
    socket.on('close', () => {
      held.delete(socket);
      if (!isOver) setTimeout(more, RECONNECT_MS);
    });
    socket.resume();
  };
  for (let n = 0; n < count; n += 1) more();
  await pause(ms);
  isOver = true;
  held.forEach((socket) => socket.destroy());
  return `${opened} opened`;
};

/** Sends requests continuously on one connection without reading responses. */
const pipelineRequests = async (to: NetConnectOpts, ms: number): Promise<string> => {
  const one = `GET /v1/tasks HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nAuthorization: ${readOwnToken()}\r\n\r\n`;
  const block = one.repeat(500);
  const socket = connectSocket(to).pause();
  let sent = 0;
  const more = (): void => {
    while (!socket.destroyed && socket.write(block)) sent += 500;
  };
  socket.on('connect', more).on('drain', more);
  await pause(ms);
  socket.destroy();
  return `${sent} sent`;
};

const formatStartRequest = (body: string): string =>
  `POST /v1/tasks/read/runs HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** A request whose body never completes. */
const HALF_BODY = `POST /v1/tasks/read/runs HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nContent-Type: application/json\r\nContent-Length: 16384\r\n\r\n${'a'.repeat(16_383)}`;

/** Starts many runs with different purposes. */
const startManyRuns = async (count: number): Promise<string> => {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, n) =>
      sendRaw(
        getOwnSocket(),
        formatStartRequest(JSON.stringify({ purpose: `${n} ${'p'.repeat(240)}` })),
      ),
    ),
  );
  return formatTally(answers);
};

/** Starts and completes runs concurrently, until it is rate limited or the time is over. */
const startAndCompleteRuns = async (ms: number): Promise<string> => {
  const end = performance.now() + ms;
  const answers: string[] = [];
  const isRateLimited = (): boolean => answers.some((answer) => answer.startsWith('429'));
  const loop = async (number: number): Promise<void> => {
    while (performance.now() < end && !isRateLimited()) {
      const { status, run } = await startOneRun(`${number} ${answers.length}`);
      answers.push(status);
      if (run === undefined) continue;
      const path = `DELETE /v1/runs/${run} HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\n\r\n`;
      answers.push(await sendRaw(getOwnSocket(), path));
    }
  };
  await Promise.all([1, 2, 3, 4].map(loop));
  return formatTally(answers);
};

const startOneRun = (purpose: string): Promise<{ status: string; run?: string }> =>
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

const formatTally = (answers: readonly string[]): string => {
  const counts = new Map<string, number>();
  for (const answer of answers) counts.set(answer, (counts.get(answer) ?? 0) + 1);
  return [...counts].map(([answer, count]) => `${count} × ${answer}`).join(', ');
};

/** Resource exhaustion attempts: name → outcome. */
export const FLOODS: Record<string, (ms: number) => Promise<string>> = {
  'half-open on loopback': (ms) =>
    hoardConnections(LOOPBACK, { count: 500, text: HALF_REQUEST, ms }),
  'no request on loopback': (ms) => hoardConnections(LOOPBACK, { count: 500, text: '', ms }),
  'idle on loopback with the token': (ms) =>
    hoardConnections(LOOPBACK, {
      count: 500,
      text: `GET /v1/tasks HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nAuthorization: ${readOwnToken()}\r\n\r\n`,
      ms,
    }),
  'half-open on its socket': (ms) =>
    hoardConnections(getOwnSocket(), { count: 500, text: HALF_REQUEST, ms }),
  'half a body on its socket': (ms) =>
    hoardConnections(getOwnSocket(), { count: 500, text: HALF_BODY, ms }),
  'pipelined without reading': (ms) => pipelineRequests(getOwnSocket(), ms),
  'many starts': () => startManyRuns(2_000),
  'start and complete': startAndCompleteRuns,
};
