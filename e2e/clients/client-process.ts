import { spawn } from 'node:child_process';
import type { ChildProcessWithoutNullStreams } from 'node:child_process';
import { createInterface } from 'node:readline';

/** How to start a client program; `client-builds.ts` makes these. */
export type ClientCommand = { command: string; args: string[] };

/** What a client program is, in its own words. */
export type ClientStart = { op: 'start'; sdk: string; version: string; runtime: string };

/** A client program's answer to one line. */
export type ClientAnswer = {
  op: string;
  /** `BUCKET/KEY`. */
  key: string;
  /** HTTP status of what answered last; null when nobody did. */
  status: number | null;
  /** Null means success; otherwise the error's code or name, as the SDK calls it. */
  code: string | null;
  message: string | null;
  /** The access key that the request was signed with; null: no request was sent to the cloud. */
  accessKeyId: string | null;
  ms: number;
};

export type Client = {
  start: ClientStart;
  /** `get BUCKET/KEY` or `put BUCKET/KEY`; one at a time. */
  send: (line: string, timeoutMs?: number) => Promise<ClientAnswer>;
  /** Ends the program, by force after 2 s. */
  stop: () => Promise<void>;
};

/** A client program that answered nothing in time. No SDK should ever get there. */
export class HangError extends Error {
  override readonly name = 'HangError';
}

/** Every program has a shorter limit of its own: past this, it hangs. */
const HANG_TIMEOUT_MS = 60_000;
const START_TIMEOUT_MS = 60_000;

/**
 * What a consumer on a private cloud sets besides: newer SDKs otherwise add checksums that older
 * servers refuse. Nothing of our own environment gets through, least of all AWS_*.
 */
const CONSUMER_ENVIRONMENT = {
  AWS_REQUEST_CHECKSUM_CALCULATION: 'when_required',
  AWS_RESPONSE_CHECKSUM_VALIDATION: 'when_required',
  AWS_CONFIG_FILE: '/nonexistent/config',
  AWS_SHARED_CREDENTIALS_FILE: '/nonexistent/credentials',
  PYTHONDONTWRITEBYTECODE: '1',
  HOME: '/nonexistent',
  LANG: 'C.UTF-8',
};

/**
 * Starts a client program with an environment of `env` and little else, and waits until it has said
 * what it is.
 *
 * @throws HangError when it says nothing within 60 s; Error with what it wrote to stderr if it ends
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
    if (line.done === true) throw new Error(`${name} ended: ${complaint || 'it said nothing'}`);
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
