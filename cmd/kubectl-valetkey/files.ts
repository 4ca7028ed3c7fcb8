import { createReadStream } from 'node:fs';
import { mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import type { AuditFile } from '../../lib/audit/file-verification.ts';
import { formatValue } from '../../lib/schema/field-error.ts';
import type { Io } from './io.ts';
import { createUsageError } from './tool-error.ts';

/** Streams a file without loading it whole; `-` is standard input. */
export const streamFile: Io['streamFile'] = (path) =>
  path === '-' ? process.stdin : (createReadStream(path) as AsyncIterable<Uint8Array>);

/**
 * Lists the manifests (`.yaml`, `.yml`, `.json`) of a folder and its subfolders, in the order of
 * names. Hidden files and folders are ignored. A path that is not a folder is returned as it is.
 */
export const listFiles: Io['listFiles'] = async (path) => {
  const isFolder = path !== '-' && (await stat(path).catch(() => undefined))?.isDirectory();
  return isFolder ? listFolder(path) : [path];
};

const listFolder = async (folder: string): Promise<readonly string[]> => {
  const entries = await readdir(folder, { withFileTypes: true });
  const shown = entries
    .filter(({ name }) => !name.startsWith('.'))
    .sort((one, other) => (one.name < other.name ? -1 : 1));
  const lists = shown.map(async (entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return listFolder(path);
    return /\.(ya?ml|json)$/i.test(entry.name) ? [path] : [];
  });
  return (await Promise.all(lists)).flat();
};

/**
 * Writes a file, and creates its parent folders.
 *
 * @throws ToolError if the file cannot be written
 */
export const writeText: Io['writeFile'] = async (path, text) => {
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, text);
  } catch (error) {
    throw createFileError(path, 'a writable file', error);
  }
};

/** Formats the name of a file for findings and errors. */
export const formatFileName = (path: string): string => (path === '-' ? 'standard input' : path);

/** Creates a reader that streams a file of the command line; it throws ToolError if the file is not readable. */
export const createFileReader = ({ streamFile: stream }: Pick<Io, 'streamFile'>, path: string) =>
  ({ name: formatFileName(path), chunks: readChunks(stream, path) }) satisfies AuditFile;

async function* readChunks(stream: Io['streamFile'], path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* stream(path);
  } catch (error) {
    throw createFileError(path, 'a readable file', error);
  }
}

/**
 * Reads a whole file as UTF-8.
 *
 * @throws ToolError if the file is not readable
 */
export const readText = async (io: Pick<Io, 'streamFile'>, path: string): Promise<string> => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of createFileReader(io, path).chunks) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

const createFileError = (path: string, expected: string, error: unknown) => {
  const { code } = error as { readonly code?: unknown };
  if (typeof code !== 'string') throw error;
  return createUsageError([{ path: formatValue(formatFileName(path)), expected, got: code }]);
};
