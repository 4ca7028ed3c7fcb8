import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';

/** The command of a client program; `client-builds.ts` returns it. */
export type ClientCommand = { command: string; args: string[] };

/** What a client program reports about itself when it starts. */
export type ClientStart = { op: 'start'; sdk: string; version: string; runtime: string };

/** A client program's response to one line. */
export type ClientAnswer = {
  op: string;
  /** `BUCKET/KEY`. */
  key: string;
  /** HTTP status of the last response; null if there was none. */
  status: number | null;
  /** Null on success; otherwise the code or name of the SDK's error. */
  code: string | null;
  message: string | null;
  /** Access key that signed the request; null if no request was sent to the cloud. */
  accessKeyId: string | null;
  /** Whether a body was sent in aws-chunked, if the program sees it. */
  isChunked?: boolean;
  ms: number;
};

export type Client = {
  start: ClientStart;
  /**
   * One at a time: `get BUCKET/KEY`, `put BUCKET/KEY`, or `roundtrip BUCKET/KEY BYTES`, which writes random bytes
   * and fails if it does not read the same.
   */
  send: (line: string, timeoutMs?: number) => Promise<ClientAnswer>;
  /** Stops the program, with SIGKILL after 2 s. */
  stop: () => Promise<void>;
};

/** A client program did not respond in time. No SDK should cause this. */
export class HangError extends Error {
  override readonly name = 'HangError';
}

/** Every program has a shorter limit of its own, so it hangs if it exceeds this one. */
const HANG_TIMEOUT_MS = 60_000;
const START_TIMEOUT_MS = 60_000;

/**
 * Settings of a consumer on a private cloud: newer SDKs otherwise add checksums that older servers reject.
 * Nothing else of our own environment is passed, in particular no AWS_*.
 */
export const CONSUMER_ENVIRONMENT = {
  AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required',
  AWS_RESPONSE_CHECKSUM_VALIDATION: 'when_required',
  AWS_CONFIG_FILE: '/nonexistent/config',
  AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/credentials',
  PYTHONDONTWRITEBYTECODE: '1',
  HOME: '/nonexistent',
  LANG: 'C.UTF-8',
};

/**
 * Starts a client program with the environment `env` and PATH, and waits for its start line.
 *
 * @throws HangError if it prints nothing within 60 s; Error with its standard error if it ends
 */
export async function startClient(
  { command, args }: ClientCommand,
  env: Readonly<Record<string, string>>,
): Promise<Client> {
  const path = process.env['PATH'] ?? '/usr/bin:/bin';
  const child = spawn(command, args, { env: { PATH: path, ...CONSUMER_ENVIRONMENT, ...env } });
  const answers = readAnswers(child, command);
  const stop = (): Promise<void> => stopProcess(child);
  try {
    const start = (await answers.next(START_TIMEOUT_MS)) as ClientStart;
    const send = (line: string, timeoutMs = HANG_TIMEOUT_MS): Promise<ClientAnswer> => {
      child.stdin.write(`${line}\n`);
      return answers.next(timeoutMs) as Promise<ClientAnswer>;
    };
    return { start, send, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type AnswerReader = { next: (timeoutMs: number) => Promise<unknown> };

function readAnswers(child: ChildProcessWithoutNullStreams, name: string): AnswerReader {
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  let complaint = '';
  child.stderr.on(
    'data',
    (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2000)),
  );
  child.stdin.on('error', () => undefined);
  const failed = new Promise<never>((_, reject) => child.once('error', reject));
  failed.catch(() => undefined);
  const read = async (): Promise<unknown> => {
    const line = await lines.next();
    if (line.done === true) throw new Error(`${name} ended: ${complaint || 'no output'}`);
    return JSON.parse(line.value) as unknown;
  };
  return {
    next: (timeoutMs) => withClientTimeout(timeoutMs, name, Promise.race([read(), failed])),
  };
}

async function withClientTimeout<T>(
  timeoutMs: number,
  name: string,
  answer: Promise<T>,
): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = new HangError(`${name}: expected an answer within ${timeoutMs} ms, got none`);
  const timer = setTimeout(() => reject(late), timeoutMs);
  try {
    return await Promise.race([answer, promise]);
  } finally {
    clearTimeout(timer);
  }
}

async function stopProcess(child: ChildProcessWithoutNullStreams): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.stdin.end('quit\n');
  const timer = setTimeout(() => child.kill('SIGKILL'), 2000);
  await ended;
  clearTimeout(timer);
}
