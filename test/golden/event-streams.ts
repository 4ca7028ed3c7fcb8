import type { IncomingMessage, ServerResponse } from 'node:http';
import { createEventStreams } from '../../cmd/authority/event-streams.ts';
import type { Revocation, StreamLine } from '../../lib/contract/authority-api.ts';
import { ExchangeError } from '../../lib/contract/exchange.ts';
import { createEventStream } from '../../lib/edge/authority/event-stream.ts';
import { indexRevocations } from '../../lib/revocation/matching.ts';

const NOW = Date.parse('2026-01-02T03:04:05.678Z');
const pod = { namespace: 'research', serviceAccount: 'agent', pod: 'agent-7', podUid: 'a-uid' };

const revoked = (uid: string, spec: Partial<Revocation['spec']>): Revocation => ({
  ...{ name: `revocation-${uid}`, uid, createdAt: NOW - 1_000 },
  spec: { reason: 'leak', by: 'alice', ...spec },
});

const task = { namespace: 'research', serviceAccount: 'agent', task: 'summarize' };
const REVOCATIONS: readonly Revocation[] = [
  revoked('1', { run: 'own-run' }),
  revoked('2', { run: 'foreign-run' }),
  revoked('3', { pod: { namespace: 'research', name: 'agent-7' } }),
  revoked('4', { pod: { namespace: 'research', name: 'agent-7', uid: 'another' } }),
  revoked('5', { task }),
  revoked('6', { serviceAccount: { namespace: 'research', name: 'agent' } }),
  revoked('7', { namespace: 'research', until: '2026-01-02T03:00:00Z' }),
  revoked('8', { namespace: 'other' }),
  revoked('9', { all: true, until: '2027-01-01T00:00:00Z' }),
];

/** What one pod is sent: the answer's head and every line until the stream ends. */
const captureStream = async (revocations: readonly Revocation[]): Promise<readonly unknown[]> => {
  const sent: unknown[] = [];
  const response = {
    ...{ once: () => response, on: () => response, destroyed: false, writableLength: 0 },
    writeHead: (status: number, headers: object) => void sent.push([status, headers]),
    write: (line: string) => void sent.push(line),
    end: (line: string) => void sent.push(line),
    destroy: () => undefined,
  };
  const streams = createEventStreams({
    authenticate: () => Promise.resolve({ ...pod, tokenExpiresAt: NOW + 600_000 }),
    policies: { getVersion: () => undefined, subscribe: () => () => undefined },
    revocations: {
      index: () => indexRevocations(revocations),
      subscribe: () => () => undefined,
      isCurrent: () => true,
    },
    belongsTo: (run) => run === 'own-run',
    ...{ by: 'authority', clock: { now: () => NOW }, onCount: () => undefined, maxStreams: 9 },
  });
  await streams.serve('token', response as unknown as ServerResponse, {
    ...{ peer: '10.0.0.1', followed: [] },
  });
  streams.stop();
  return sent;
};

const LINES: readonly string[] = [
  ...['{"type":"heartbeat"}', '{"type":"reconnect"}', '{"type":"revocations","active":[]}'],
  '{"type":"revocations","active":[{"name":"a","run":"r","reason":"leak"},{"name":"b","task":"t","reason":""}]}',
  '{"type":"revocations","active":[{"name":"a","reason":"leak","newer":1}],"newer":true}',
  ...['{"type":"revocations"}', '{"type":"revocations","active":[{}]}', '{"type":"newer"}'],
  ...['', '{', '{}', 'null', '[]', '7', '{"type":7}', '{"type":"__proto__"}'],
];

/** What the sidecar reads of a stream: its lines, or the code of its failure. */
const readStream = async (...chunks: readonly string[]): Promise<unknown> => {
  const lines: StreamLine[] = [];
  const answer = {
    statusCode: 200,
    [Symbol.asyncIterator]: async function* () {
      for (const chunk of chunks) yield await Promise.resolve(Buffer.from(chunk));
    },
  } as unknown as IncomingMessage;
  const stream = (): Promise<IncomingMessage> => Promise.resolve(answer);
  const events = createEventStream({
    stream,
    post: () => Promise.reject(new Error('not asked')),
    closeIdle: () => undefined,
  });
  try {
    await events(
      { token: 'token', followed: [] },
      (line) => void lines.push(line),
      new AbortController().signal,
    );
    return lines;
  } catch (error) {
    if (error instanceof ExchangeError) return [error.kind, error.code, lines.length];
    throw error;
  }
};

/** Lines of the event stream: as the authority writes them and as the sidecar reads them. */
export const captureEventStreams = async (): Promise<object> => ({
  all: await captureStream(REVOCATIONS),
  none: await captureStream([]),
  each: await Promise.all(REVOCATIONS.map(async (one) => (await captureStream([one]))[1])),
  read: await Promise.all(LINES.map(async (line) => [line, await readStream(`${line}\n`)])),
  chunks: await readStream('{"type":', '"heartbeat"}\n{"type":"recon', 'nect"}\n{"type"'),
  endless: await readStream('x'.repeat(1024 * 1024 + 1)),
});
