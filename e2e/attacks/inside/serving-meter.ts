import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import type { NetConnectOpts } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { LOOPBACK, LOOPBACK_HOST, getOwnSocket, readOwnToken, sendRaw } from './raw-request.ts';

/** How one consumer is served; times in milliseconds. */
export type ServingStats = {
  readonly failed: string[];
  readonly median: number;
  readonly p95: number;
};

/** `control` is a server on the same node that is not attacked. */
export type ListenerStats = {
  readonly loopback: ServingStats;
  readonly socket: ServingStats;
  readonly control: ServingStats;
};

/** Sends requests on new connections, one after another with a pause, as an SDK does. */
export const measureServing = async (ms: number): Promise<ListenerStats> => {
  const { to: control, stop } = await startControlServer();
  const asked = { loopback: createTally(), socket: createTally(), control: createTally() };
  const text = () =>
    `GET /v1/credentials HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nAuthorization: ${readOwnToken()}\r\n\r\n`;
  const end = performance.now() + ms;
  while (performance.now() < end) {
    await asked.loopback.take(() => sendRaw(LOOPBACK, text()));
    await asked.socket.take(() => sendRaw(getOwnSocket(), text()));
    await asked.control.take(() => sendRaw(control, text()));
    await pause(10);
  }
  stop();
  return {
    loopback: asked.loopback.served(),
    socket: asked.socket.served(),
    control: asked.control.served(),
  };
};

const startControlServer = async (): Promise<{ to: NetConnectOpts; stop: () => void }> => {
  const path = `/tmp/control-${process.pid}`;
  const script = `require('node:http').createServer((_, answer) => answer.end('ok')).listen(${JSON.stringify(path)}, () => console.log('there'))`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] });
  await once(child.stdout, 'data');
  const stop = (): void => {
    child.kill();
    rmSync(path, { force: true });
  };
  return { to: { path }, stop };
};

const createTally = () => {
  const took: number[] = [];
  const failed: string[] = [];
  const at = (share: number): number => {
    const sorted = took.toSorted((a, b) => a - b);
    return Math.round((sorted[Math.floor(sorted.length * share)] ?? 0) * 10) / 10;
  };
  return {
    take: async (ask: () => Promise<string>): Promise<void> => {
      const from = performance.now();
      const answer = await ask();
      if (answer === '200') took.push(performance.now() - from);
      else failed.push(answer);
    },
    served: (): ServingStats => ({ failed, median: at(0.5), p95: at(0.95) }),
  };
};
