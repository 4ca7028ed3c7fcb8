/**
 * Sidecars' ends of streams, as many as there are tokens, by the sidecar's own code: reads a
 * {@link Listening} from standard input and writes a line of JSON for each {@link Heard}.
 */
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { openConnection } from '../lib/edge/authority/connection.ts';
import { openEvents } from '../lib/edge/authority/event-stream.ts';

export type Listening = {
  readonly endpoint: string;
  readonly roots: string;
  readonly tokens: readonly string[];
};

/** A line about revocations came on one stream; `at`: milliseconds since the epoch. */
export type Heard = { readonly stream: number; readonly active: number; readonly at: number };

/** Streams that are being opened at once: each is verified. */
const AT_ONCE = 4;

const { endpoint, roots, tokens } = JSON.parse(await text(process.stdin)) as Listening;
const connect = openEvents(openConnection({ endpoint, roots }));
const { signal } = new AbortController();

const listen = (stream: number): Promise<void> =>
  new Promise((resolve, reject) => {
    connect(
      tokens[stream] ?? '',
      (line) => {
        if (line.type !== 'revocations') return;
        const at = performance.timeOrigin + performance.now();
        const heard: Heard = { stream, active: line.active.length, at };
        console.log(JSON.stringify(heard));
        resolve();
      },
      signal,
    ).then(() => reject(new Error(`stream ${stream} ended`)), reject);
  });

let next = 0;
const openMore = async (): Promise<void> => {
  while (next < tokens.length) await listenAtLast(next++);
};
/** On a busy machine one comes again, as a sidecar does; whoever started us gives up some time. */
const listenAtLast = async (stream: number): Promise<void> => {
  for (;;) {
    try {
      await listen(stream);
      return;
    } catch {
      await pause(1_000);
    }
  }
};
await Promise.all(Array.from({ length: AT_ONCE }, openMore));
