import { createServer } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { LOOPBACK, LOOPBACK_HOST, sendRaw } from './raw-request.ts';

/**
 * Occupies the loopback port as soon as it is free, until another consumer has sent its token there;
 * releases it, and replays the collected tokens.
 */
export const squatPort = async (ms: number): Promise<{ collected: number; replayed: string[] }> => {
  const end = performance.now() + ms;
  const collected = new Set<string>();
  const server = createServer((request, response) => {
    if (request.headers.authorization !== undefined) collected.add(request.headers.authorization);
    response.writeHead(503).end();
  });
  await takePort(server, end);
  while (collected.size === 0 && performance.now() < end) await pause(50);
  server.close();
  server.closeAllConnections();
  const replayed: string[] = [];
  for (const token of collected) replayed.push(await replayToken(token, end));
  return { collected: collected.size, replayed };
};

const takePort = async (server: ReturnType<typeof createServer>, end: number): Promise<void> => {
  const { port, host } = LOOPBACK as { port: number; host: string };
  while (performance.now() < end) {
    const isListening = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false));
      server.listen(port, host, () => resolve(true));
    });
    if (isListening) return;
    await pause(2);
  }
  throw new Error('the port was never free');
};

/** Sends a collected token to the restarted sidecar; returns the first response. */
const replayToken = async (token: string, end: number): Promise<string> => {
  const text = `GET /v1/credentials HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nAuthorization: ${token}\r\n\r\n`;
  while (performance.now() < end) {
    const answer = await sendRaw(LOOPBACK, text);
    if (!answer.startsWith('refused')) return answer;
    await pause(50);
  }
  return 'no response';
};
