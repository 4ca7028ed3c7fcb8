#!/usr/bin/env node
import './stand-ins.ts';

import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline/promises';

import { openCluster } from './cluster.ts';
import type { Edges } from './edges.ts';
import { streamFile, writeText } from './files.ts';
import { runProgram } from './program.ts';

const ask = async (question: string): Promise<string> => {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  return Promise.race([terminal.question(question), ended]).finally(() => terminal.close());
};

const edges: Edges = {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  ...(process.stdin.isTTY && process.stderr.isTTY && { ask }),
  streamFile,
  writeFile: writeText,
  openCluster,
  now: () => Date.now(),
  newId: () => randomBytes(5).toString('hex'),
};

// Whoever reads us may stop early: `| head`.
process.stdout.on('error', () => process.exit(0));
void runProgram(process.argv.slice(2), edges).then((code) => {
  process.exitCode = code;
});
