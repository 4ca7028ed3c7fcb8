/**
 * The load where there is no Go: same flags and answer as `baseline load`, but itself slower than the
 * fastest servers, so that only requests per core-second mean something.
 */
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { parseArgs } from 'node:util';
import { setTimeout as pause } from 'node:timers/promises';
import type { LoadReport } from './load.ts';
import { computePercentile } from '../test/kit/statistics.ts';

const { values } = parseArgs({
  options: {
    target: { type: 'string', default: '' },
    request: { type: 'string', default: '' },
    connections: { type: 'string', default: '16' },
    seconds: { type: 'string', default: '3' },
    rate: { type: 'string', default: '0' },
    vary: { type: 'string', default: '' },
  },
});
const connections = Math.min(Number(values.connections), 512);
const durationMs = Math.min(Number(values.seconds), 60) * 1000;
const rate = Number(values.rate);
const request = readFileSync(values.request, 'latin1');
let sent = 0;

/** The request, `--vary`'s digits replaced by others each time. */
function buildNextRequest(): string {
  sent += 1;
  return values.vary === ''
    ? request
    : request.replace(values.vary, String(sent).padStart(10, '0'));
}

function connectTarget(): Socket {
  const address = values.target.slice(values.target.indexOf(':') + 1);
  if (values.target.startsWith('unix:')) return connect(address);
  const port = Number(/^127\.0\.0\.1:(\d+)$/.exec(address)?.[1]);
  if (values.target.startsWith('tcp:')) return connect(port, '127.0.0.1');
  // The certificate is one of the measured webhook's own; nothing secret is sent.
  return connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
}

/** One request over an open connection; whether the answer was 200. */
function sendAndMeasure(socket: Socket): Promise<boolean> {
  const { promise, resolve, reject } = Promise.withResolvers<boolean>();
  let received: Buffer = Buffer.alloc(0);
  const read = (chunk: Buffer): void => {
    received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
    const headEnd = received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = received.toString('latin1', 0, headEnd);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
    if (Number.isNaN(length)) {
      reject(new Error('answer: expected a Content-Length, got none'));
    } else if (received.length >= headEnd + 4 + length) {
      settle();
      resolve(head.startsWith('HTTP/1.1 200 '));
    }
  };
  const settle = (): void => {
    socket.off('data', read).off('error', reject).off('close', ended);
  };
  const ended = (): void => reject(new Error('connection: expected an answer, got its end'));
  socket.on('data', read).on('error', reject).on('close', ended);
  socket.write(buildNextRequest(), 'latin1');
  return promise;
}

async function driveConnection(index: number, startedAt: number): Promise<boolean[]> {
  const socket = connectTarget();
  const answers: boolean[] = [];
  const intervalMs = rate > 0 ? (1000 * connections) / rate : 0;
  let due = startedAt + (intervalMs * index) / connections;
  for (;;) {
    const now = performance.now();
    if (intervalMs === 0) due = now;
    if (due >= startedAt + durationMs) break;
    if (due > now) await pause(due - now);
    answers.push(await sendAndMeasure(socket));
    latencies.push(performance.now() - due);
    due += intervalMs;
  }
  socket.destroy();
  return answers;
}

const latencies: number[] = [];
const startedAt = performance.now();
const drivers = Array.from({ length: connections }, (_, index) =>
  driveConnection(index, startedAt),
);
const answers = (await Promise.all(drivers)).flat();
const report: LoadReport = {
  requests: answers.length,
  failures: answers.filter((isGood) => !isGood).length,
  seconds: (performance.now() - startedAt) / 1000,
  p50Ms: computePercentile(latencies, 0.5),
  p99Ms: computePercentile(latencies, 0.99),
};
console.log(JSON.stringify(report));
