import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { pinToCore } from './measured-processes.ts';

type ClientProcess = ChildProcess & { readonly stdin: Writable; readonly stdout: Readable };

/**
 * Starts a program of this folder that simulates clients, on the core of the load, and gives it its input. It ends
 * with its standard input.
 */
export const startClientProcess = (name: string, input: object): ClientProcess => {
  const [command, args] = pinToCore(process.execPath, [join(import.meta.dirname, name)], 'load');
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.write(`${JSON.stringify(input)}\n`);
  return child;
};

const LOOPBACK: ReadonlySet<string> = new Set(['localhost', '127.0.0.1', '[::1]']);

/**
 * Reads the input of such a program, and ends the program with its standard input.
 *
 * @throws Error if the endpoint is not on this machine
 */
export const readClientInput = async <T extends { readonly endpoint: string }>(): Promise<T> => {
  const lines = createInterface({ input: process.stdin });
  const [line] = (await once(lines, 'line')) as [string];
  const input = JSON.parse(line) as T;
  if (!LOOPBACK.has(new URL(input.endpoint).hostname)) {
    throw new Error(`endpoint: expected an address of this machine, found ${input.endpoint}`);
  }
  lines.on('close', () => process.exit(0));
  return input;
};
