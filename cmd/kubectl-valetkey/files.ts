import { createReadStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { AuditFile } from '../../lib/audit/file-verification.ts';
import { formatValue } from '../../lib/schema/field-error.ts';
import type { Io } from './io.ts';
import { createUsageError } from './tool-error.ts';

/** A person's files are read as they come; `-` is standard input. */
export const streamFile: Io['streamFile'] = (path) =>
  path === '-' ? process.stdin : (createReadStream(path) as AsyncIterable<Uint8Array>);

/** Writes a file, with the folders above it. */
export const writeText: Io['writeFile'] = async (path, text) => {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  } catch (error) {
    throw createFileError(path, 'a file that can be written', error);
  }
};

/** The name under which findings speak of a file. */
export const formatFileName = (path: string): string => (path === '-' ? 'standard input' : path);

/** A file that a command was given, to be read piece by piece. */
export const createFileReader = ({ streamFile: stream }: Pick<Io, 'streamFile'>, path: string) =>
  ({ name: formatFileName(path), chunks: readChunks(stream, path) }) satisfies AuditFile;

async function* readChunks(stream: Io['streamFile'], path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* stream(path);
  } catch (error) {
    throw createFileError(path, 'a file that can be read', error);
  }
}

/** The whole of a file, UTF-8. */
export const readText = async (edges: Pick<Io, 'streamFile'>, path: string): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of createFileReader(edges, path).chunks) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

const createFileError = (path: string, expected: string, error: unknown) => {
  const { code } = error as { readonly code?: unknown };
  if (typeof code !== 'string') throw error;
  return createUsageError([{ path: formatValue(formatFileName(path)), expected, got: code }]);
};
