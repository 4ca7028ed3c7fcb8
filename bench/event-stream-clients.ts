/**
 * Sidecars' ends of streams, as many as there are tokens, by the sidecar's own code: reads a
 * {@link StreamClientsInput} from standard input and writes a line of JSON for each {@link ReceivedUpdate}.
 */
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { createConnection } from '../lib/edge/authority/connection.ts';
import { createEventStream } from '../lib/edge/authority/event-stream.ts';
import { getEpochMs } from './measured-processes.ts';

export type StreamClientsInput = {
  readonly endpoint: string;
  readonly roots: string;
  readonly tokens: readonly string[];
};

/** A line about revocations came on one stream; `at`: milliseconds since the epoch. */
export type ReceivedUpdate = {
  readonly stream: number;
  readonly active: number;
  readonly at: number;
};

/** Streams that are being opened at once: each is verified. */
const CONCURRENT_CONNECTS = 4;

const { endpoint, roots, tokens } = JSON.parse(await text(process.stdin)) as StreamClientsInput;
const connect = createEventStream(createConnection({ endpoint, roots }));
const { signal } = new AbortController();

const readStream = (stream: number): Promise<void> =>
  new Promise((resolve, reject) => {
    connect(
      { token: tokens[stream] ?? '', followed: [] },
      (line) => {
        if (line.type !== 'revocations') return;
        const at = getEpochMs();
        const update: ReceivedUpdate = { stream, active: line.active.length, at };
        console.log(JSON.stringify(update));
        resolve();
      },
      signal,
    ).then(() => reject(new Error(`stream ${stream} ended`)), reject);
  });

let next = 0;
const startNextStreams = async (): Promise<void> => {
  while (next < tokens.length) await readStreamWithRetry(next++);
};
/** Reconnects on a busy machine, as a sidecar does; the parent process enforces a deadline. */
const readStreamWithRetry = async (stream: number): Promise<void> => {
  for (;;) {
    try {
      await readStream(stream);
      return;
    } catch {
      await pause(1_000);
    }
  }
};
await Promise.all(Array.from({ length: CONCURRENT_CONNECTS }, startNextStreams));
