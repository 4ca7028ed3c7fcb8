/**
 * Sidecars that start one after the other, as many as there are tokens, by the sidecar's own client, backoff and
 * jitter. Each opens its event stream and starts the first run of its agent, which asks again until there are
 * credentials. Reads a line of JSON, {@link PodClientsInput}, from standard input, and writes one line,
 * {@link PodClientsReport}, when all have credentials or after `maxMs`. Connects only to this machine. Ends with
 * its standard input.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { clock, pause, schedule } from '../cmd/sidecar/system-clock.ts';
import type { Task } from '../lib/contract/task.ts';
import { createAuthorityClient } from '../lib/edge/authority/authority-client.ts';
import { subscribe } from '../lib/runs/revocation-stream.ts';
import { createRunRegistry } from '../lib/runs/run-registry.ts';
import { readClientInput } from './client-process.ts';
import { getEpochMs } from './measured-processes.ts';
import { AGENT_JITTER_MS, type PodClientsReport, type PodStart } from './pod-restart-results.ts';

export type PodClientsInput = {
  /** On loopback. */
  readonly endpoint: string;
  readonly roots: string;
  readonly tokens: readonly string[];
  readonly podsPerSecond: number;
  readonly consumer: string;
  readonly task: Task;
  readonly maxMs: number;
};

const { endpoint, roots, tokens, podsPerSecond, consumer, task, maxMs } =
  await readClientInput<PodClientsInput>();
const ignore = (): void => undefined;
const shared = { clock, schedule, pause, random: Math.random };

const pods: { -readonly [Member in keyof PodStart]: PodStart[Member] }[] = [];
const failures: Record<string, number> = {};

const startPod = async (token: string): Promise<void> => {
  const pod: (typeof pods)[number] = { startedAt: getEpochMs(), retries: 0 };
  pods.push(pod);
  const noteRetry = (code: string): void => {
    pod.retries += 1;
    failures[code] = (failures[code] ?? 0) + 1;
  };
  const readToken = (): string => token;
  const client = createAuthorityClient(
    { endpoint, roots },
    { ...shared, readToken, onContact: ignore, reportSkew: ignore },
  );
  subscribe({
    ...{ ...shared, readToken, connect: client.connect, listFollowed: () => [] },
    ...{ onContact: ignore, onRevocations: ignore, onPolicies: ignore, onFollowed: ignore },
    ...{ onConnected: ignore, onDisconnected: ignore },
  });
  const registry = createRunRegistry({
    ...shared,
    exchange: (request, signal, onRetry) =>
      client.exchange(request, signal, (error) => {
        noteRetry(error.code);
        onRetry?.(error);
      }),
    observer: { started: ignore, ended: ignore },
  });
  for (;;) {
    const result = await registry.startRun(consumer, task);
    if (result.kind === 'run') break;
    noteRetry(result.code);
    await sleep((result.retryAfterMs ?? 0) + Math.random() * AGENT_JITTER_MS);
  }
  pod.credentialsAt = getEpochMs();
};

const startPods = async (): Promise<void> => {
  const startedAt = performance.now();
  const starting: Promise<void>[] = [];
  for (const [index, token] of tokens.entries()) {
    const dueAt = startedAt + (index * 1000) / podsPerSecond;
    await sleep(Math.max(0, dueAt - performance.now()));
    starting.push(startPod(token));
  }
  await Promise.all(starting);
};

await Promise.race([startPods(), sleep(maxMs)]);
const { user, system } = process.cpuUsage();
const report: PodClientsReport = { pods, failures, cpuSeconds: (user + system) / 1e6 };
console.log(JSON.stringify(report));
