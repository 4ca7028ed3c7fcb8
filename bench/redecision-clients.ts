/**
 * Sidecars that follow the event stream and have one live run each, by the sidecar's own code and with its own
 * jitter: when policies change, each has its run decided again. Reads a {@link RedecisionClientsInput} from standard
 * input and writes a line of JSON for each {@link RedecisionEvent}. Connects only to this machine.
 */
import { text } from 'node:stream/consumers';
import { setTimeout as pause } from 'node:timers/promises';
import { watchPolicyChanges } from '../cmd/sidecar/policy-changes.ts';
import { createConnection } from '../lib/edge/authority/connection.ts';
import { createEventStream } from '../lib/edge/authority/event-stream.ts';
import { createRedecider } from '../lib/edge/authority/run-decisions.ts';
import type { ActiveRun } from '../lib/runs/active-runs.ts';
import { subscribe } from '../lib/runs/revocation-stream.ts';
import { startGatedRun } from './authority-process.ts';
import { getEpochMs } from './measured-processes.ts';

export type RedecisionClientsInput = {
  readonly endpoint: string;
  readonly roots: string;
  readonly tokens: readonly string[];
};

/** `following`: a stream is open and has a live run. Times in milliseconds since the epoch. */
export type RedecisionEvent = {
  readonly event: 'following' | 'decided' | 'failed' | 'ended';
  readonly sidecar: number;
  readonly at: number;
  /** Policies that the run's gates name. */
  readonly policies: readonly string[];
  /** Why it was not decided. */
  readonly code?: string;
};

/** Sidecars that start at the same time: each verifies its token twice and opens two connections. */
const CONCURRENT_STARTS = 4;
const RETRY_MS = 1_000;

const { endpoint, roots, tokens } = JSON.parse(await text(process.stdin)) as RedecisionClientsInput;
const ignore = (): void => undefined;
const schedule = (delayMs: number, action: () => void): (() => void) => {
  const timer = setTimeout(action, delayMs);
  return () => clearTimeout(timer);
};
type Followed = Pick<ActiveRun, 'run'> & { oversight: NonNullable<ActiveRun['oversight']> };

const listPolicies = ({ oversight: { gates } }: Followed): readonly string[] => [
  ...new Set(gates.flatMap(({ policies }) => policies)),
];

const report = (
  event: RedecisionEvent['event'],
  { sidecar, run, code }: { sidecar: number; run: Followed; code?: string },
): void => {
  const at = getEpochMs();
  const failure = code === undefined ? {} : { code };
  const line: RedecisionEvent = { event, sidecar, at, policies: listPolicies(run), ...failure };
  console.log(JSON.stringify(line));
};

/** A sidecar has connections of its own. */
const startSidecar = async (sidecar: number, token: string): Promise<void> => {
  const connection = createConnection({ endpoint, roots });
  const { ticket, gates, policyVersion } = await startGatedRun(connection, token);
  const run: Followed = { run: `run-${sidecar}`, oversight: { ticket, gates, policyVersion } };
  const decide = createRedecider(connection, () => token);
  const { onPolicies } = watchPolicyChanges(
    {
      redecide: async (sealed) => {
        const decision = await decide(sealed);
        // The sidecar's own code applies it in the next microtask.
        setImmediate(() => report('decided', { sidecar, run }));
        return decision;
      },
      log: {
        ...{ debug: ignore, info: ignore, error: ignore },
        warn: (_, { code } = {}) => report('failed', { sidecar, run, code: String(code) }),
      },
      schedule,
      random: Math.random,
    },
    { listActive: () => [run as ActiveRun], revokeRun: () => report('ended', { sidecar, run }) },
  );
  await new Promise<void>((resolve) => {
    subscribe({
      connect: createEventStream(connection),
      readToken: () => token,
      onContact: ignore,
      onRevocations: ignore,
      onPolicies,
      listFollowed: () => [],
      onFollowed: ignore,
      onConnected: () => resolve(),
      onDisconnected: ignore,
      clock: { now: () => Date.now(), monotonic: () => performance.now() },
      schedule,
      random: Math.random,
    });
  });
  report('following', { sidecar, run });
};

/** Repeats on a busy machine, as a sidecar does; the parent process enforces a deadline. */
const startWithRetry = async (sidecar: number): Promise<void> => {
  for (;;) {
    try {
      await startSidecar(sidecar, tokens[sidecar] ?? '');
      return;
    } catch {
      await pause(RETRY_MS);
    }
  }
};

let next = 0;
const startNext = async (): Promise<void> => {
  while (next < tokens.length) await startWithRetry(next++);
};
await Promise.all(Array.from({ length: CONCURRENT_STARTS }, startNext));
