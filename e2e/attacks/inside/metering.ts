import { setTimeout as pause } from 'node:timers/promises';
import { LOOPBACK, LOOPBACK_HOST, ownSocket, ownToken, sendRaw } from './raw-request.ts';

/** How one consumer is served meanwhile. Milliseconds. */
export type Served = { readonly failed: string[]; readonly median: number; readonly p95: number };

/** Asks over new connections, one after the other with a pause, as an SDK does that refreshes. */
export const meter = async (ms: number): Promise<{ loopback: Served; socket: Served }> => {
  const asked = { loopback: openTally(), socket: openTally() };
  const text = () =>
    `GET /v1/credentials HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nAuthorization: ${ownToken()}\r\n\r\n`;
  const end = performance.now() + ms;
  while (performance.now() < end) {
    await asked.loopback.take(() => sendRaw(LOOPBACK, text()));
    await asked.socket.take(() => sendRaw(ownSocket(), text()));
    await pause(10);
  }
  return { loopback: asked.loopback.served(), socket: asked.socket.served() };
};

const openTally = () => {
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
    served: (): Served => ({ failed, median: at(0.5), p95: at(0.95) }),
  };
};
