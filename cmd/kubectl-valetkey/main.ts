#!/usr/bin/env node
import './node-polyfills.ts';

import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline/promises';

import { createPublicDocumentFetcher } from '../../lib/edge/http/public-document.ts';
import { sendSignedGet } from '../../lib/edge/http/signed-request.ts';
import { showInBrowser } from './browser.ts';
import { createClusterClient } from './cluster.ts';
import type { Io } from './io.ts';
import { listFiles, streamFile, writeText } from './files.ts';
import { runProgram } from './program.ts';

const ask = async (question: string): Promise<string> => {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const ended = new Promise<string>((resolve) => terminal.once('close', () => resolve('')));
  return Promise.race([terminal.question(question), ended]).finally(() => terminal.close());
};

const io: Io = {
  out: (text) => void process.stdout.write(text),
  error: (text) => void process.stderr.write(text),
  ...(process.stdin.isTTY && process.stderr.isTTY && { ask }),
  ...(process.stdout.isTTY && { columns: process.stdout.columns }),
  // False if NO_COLOR is set.
  hasColor: process.stdout.isTTY && process.stdout.hasColors(),
  showsProgress: process.stderr.isTTY,
  listFiles,
  streamFile,
  writeFile: writeText,
  createClusterClient,
  fetchDocument: async (url) =>
    JSON.parse((await createPublicDocumentFetcher({ url })()).text) as unknown,
  sendSignedRequest: sendSignedGet,
  showInBrowser,
  onInterrupt: (callback) => {
    process.once('SIGINT', callback).once('SIGTERM', callback);
    return () => void process.off('SIGINT', callback).off('SIGTERM', callback);
  },
  schedule: (delayMs, action) => {
    const timer = setTimeout(action, delayMs);
    return () => clearTimeout(timer);
  },
  now: () => Date.now(),
  newId: () => randomBytes(5).toString('hex'),
};

// The reader of a pipe, such as `head`, may close it early.
process.stdout.on('error', () => process.exit(0));
void runProgram(process.argv.slice(2), io).then((code) => {
  process.exitCode = code;
});
