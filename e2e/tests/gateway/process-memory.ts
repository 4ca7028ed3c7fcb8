import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { ignoreMissing } from '../../../test/kit/files.ts';

/** The environment of a process on the node, as text. */
export const readProcessEnvironment = (processId: string): string =>
  ignoreMissing(() => readFileSync(`/proc/${processId}/environ`, 'latin1')) ?? '';

/**
 * Searches the memory of a process on the node for texts, as bytes and as UTF-16.
 *
 * @returns the texts that it holds, and how many bytes were read
 */
export const searchMemory = (
  processId: string,
  texts: readonly string[],
): { found: string[]; bytes: number } => {
  const found = new Set<string>();
  let bytes = 0;
  for (const block of readMemory(processId)) {
    bytes += block.length;
    for (const text of texts) if (holdsText(block, text)) found.add(text);
  }
  return { found: [...found], bytes };
};

/** Lists what matches a pattern in the memory of a process on the node, each once. */
export const matchMemory = (processId: string, pattern: RegExp): string[] => {
  const found = new Set<string>();
  for (const block of readMemory(processId)) {
    for (const [text] of block.toString('latin1').matchAll(pattern)) found.add(text);
  }
  return [...found];
};

function* readMemory(processId: string): Generator<Buffer> {
  const file = openSync(`/proc/${processId}/mem`, 'r');
  try {
    for (const region of listRegions(processId)) yield* readRegion(file, region);
  } finally {
    closeSync(file);
  }
}

type Region = { start: number; end: number };

const listRegions = (processId: string): Region[] =>
  readFileSync(`/proc/${processId}/maps`, 'utf8')
    .split('\n')
    .flatMap((line) => {
      const [, start = '', end = '', write = '', path = ''] =
        /^([0-9a-f]+)-([0-9a-f]+) r(\S)\S+ \S+ \S+ \S+\s*(.*)$/.exec(line) ?? [];
      // Not the program and its libraries, nor pages of the kernel.
      const isFixed = write === '-' && /^[/[]/.test(path);
      if (start === '' || isFixed || path === '[vvar]') return [];
      return [{ start: parseInt(start, 16), end: parseInt(end, 16) }];
    });

const BLOCK_BYTES = 4 * 1024 * 1024;
/** Longer than any text, so that none is missed at the border of two blocks. */
const OVERLAP_BYTES = 8 * 1024;

function* readRegion(file: number, { start, end }: Region): Generator<Buffer> {
  for (let at = start; at < end; at += BLOCK_BYTES) {
    const length = Math.min(BLOCK_BYTES + OVERLAP_BYTES, end - at);
    const block = Buffer.alloc(length);
    try {
      yield block.subarray(0, readSync(file, block, 0, length, at));
    } catch {
      // Unmapped since it was listed.
    }
  }
}

const holdsText = (block: Buffer, text: string): boolean =>
  block.includes(text, 0, 'latin1') || block.includes(text, 0, 'utf16le');
