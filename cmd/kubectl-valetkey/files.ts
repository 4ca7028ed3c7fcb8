import { createReadStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { AuditFile } from '../../lib/audit/file-walk.ts';
import { show } from '../../lib/reading/fault.ts';
import type { Edges } from './edges.ts';
import { wrongUsage } from './tool-error.ts';

/** A person's files are read as they come; `-` is standard input. */
export const streamFile: Edges['streamFile'] = (path) =>
  path === '-' ? process.stdin : (createReadStream(path) as AsyncIterable<Uint8Array>);

/** Writes a file, with the folders above it. */
export const writeText: Edges['writeFile'] = async (path, text) => {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  } catch (error) {
    throw fileFault(path, 'a file that can be written', error);
  }
};

/** The name under which findings speak of a file. */
export const nameOf = (path: string): string => (path === '-' ? 'standard input' : path);

/** A file that a command was given, to be read piece by piece. */
export const openFile = ({ streamFile: stream }: Pick<Edges, 'streamFile'>, path: string) =>
  ({ name: nameOf(path), chunks: chunksOf(stream, path) }) satisfies AuditFile;

async function* chunksOf(stream: Edges['streamFile'], path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* stream(path);
  } catch (error) {
    throw fileFault(path, 'a file that can be read', error);
  }
}

/** The whole of a file, UTF-8. */
export const readText = async (edges: Pick<Edges, 'streamFile'>, path: string): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of openFile(edges, path).chunks) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

const fileFault = (path: string, expected: string, error: unknown) => {
  const { code } = error as { readonly code?: unknown };
  if (typeof code !== 'string') throw error;
  return wrongUsage([{ path: show(nameOf(path)), expected, got: code }]);
};
