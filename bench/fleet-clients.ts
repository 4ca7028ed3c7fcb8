/**
 * Sidecars' subscriptions to event streams, as many as there are tokens, by the sidecar's own code and with its
 * own jitter. Reads a line of JSON, {@link FleetClientsInput}, from standard input, and writes a line for each
 * {@link FleetProgress}. Connects only to this machine. Ends with its standard input, and after ten minutes.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { clock, schedule } from '../cmd/sidecar/system-clock.ts';
import { createConnection } from '../lib/edge/authority/connection.ts';
import { createEventStream } from '../lib/edge/authority/event-stream.ts';
import { subscribe } from '../lib/runs/revocation-stream.ts';
import { readClientInput } from './client-process.ts';
import { getEpochMs } from './measured-processes.ts';

export type FleetClientsInput = {
  /** On loopback. */
  readonly endpoint: string;
  readonly roots: string;
  readonly tokens: readonly string[];
  /** Streams that are opened for the first time in a second. */
  readonly openedPerSecond: number;
};

/** What happened since the last line. Times in milliseconds since the epoch. */
export type FleetProgress = {
  /** Streams that are open now. */
  readonly open: number;
  readonly attempts: readonly number[];
  /** First line on a stream: the stream is open. */
  readonly opened: readonly number[];
  /** Why connections ended or could not be opened, in the order of time. */
  readonly ended: readonly FleetEnd[];
};

export type FleetEnd = {
  readonly at: number;
  readonly reason: string;
  /** Whether the stream was open before. */
  readonly wasOpen: boolean;
};

const MAX_MS = 600_000;
const PROGRESS_INTERVAL_MS = 100;

const { endpoint, roots, tokens, openedPerSecond } = await readClientInput<FleetClientsInput>();
setTimeout(() => process.exit(1), MAX_MS).unref();

let open = 0;
let attempts: number[] = [];
let opened: number[] = [];
let ended: FleetEnd[] = [];
const connect = createEventStream(createConnection({ endpoint, roots }));
const ignore = (): void => undefined;

const startSidecar = (token: string): void => {
  let isOpen = false;
  subscribe({
    connect: (...given) => {
      attempts.push(getEpochMs());
      return connect(...given);
    },
    readToken: () => token,
    onContact: ignore,
    onRevocations: ignore,
    onPolicies: ignore,
    listFollowed: () => [],
    onFollowed: ignore,
    onConnected: () => {
      isOpen = true;
      open += 1;
      opened.push(getEpochMs());
    },
    onDisconnected: (reason) => {
      if (isOpen) open -= 1;
      ended.push({ at: getEpochMs(), reason, wasOpen: isOpen });
      isOpen = false;
    },
    clock,
    schedule,
    random: Math.random,
  });
};

setInterval(() => {
  const progress: FleetProgress = { open, attempts, opened, ended };
  [attempts, opened, ended] = [[], [], []];
  console.log(JSON.stringify(progress));
}, PROGRESS_INTERVAL_MS);

for (const token of tokens) {
  startSidecar(token);
  await pause(1000 / openedPerSecond);
}
