import { open, readFile, type FileHandle } from 'node:fs/promises';

/** A text that a process may hold. */
export type Needle = { readonly description: string; readonly text: string };

/** What was searched, and the descriptions of what was found. */
export type ProcessSearch = {
  readonly found: ReadonlySet<string>;
  /** Bytes of memory; undefined: the system does not let its memory be read. */
  readonly memoryBytes: number | undefined;
};

const CHUNK_BYTES = 4 * 1024 * 1024;

/** V8 stores a text with one or two bytes for each character. */
const encodeNeedles = (needles: readonly Needle[]) =>
  needles.flatMap(({ description, text }) =>
    (['latin1', 'utf16le'] as const).map((encoding) => ({
      description,
      bytes: Buffer.from(text, encoding),
    })),
  );

type EncodedNeedle = ReturnType<typeof encodeNeedles>[number];
type Range = { readonly start: number; readonly end: number };

/**
 * Searches the environment and all readable memory of a process for texts.
 *
 * @param pid a process that runs and that this process started: others may not be readable
 * @param env its environment as it was started with, for systems without `/proc`
 */
export const searchProcess = async (
  pid: number,
  env: Readonly<Record<string, string>>,
  needles: readonly Needle[],
): Promise<ProcessSearch> => {
  const encoded = encodeNeedles(needles);
  const found = new Set<string>();
  const search = (bytes: Buffer): void => {
    for (const needle of encoded) if (bytes.includes(needle.bytes)) found.add(needle.description);
  };
  search(Buffer.from(Object.values(env).join('\0')));
  const environment = await ignoreUnreadable(readFile(`/proc/${pid}/environ`));
  if (environment !== undefined) search(environment);
  return { found, memoryBytes: await searchMemory(pid, encoded, search) };
};

const searchMemory = async (
  pid: number,
  needles: readonly EncodedNeedle[],
  search: (bytes: Buffer) => void,
): Promise<number | undefined> => {
  const maps = await ignoreUnreadable(readFile(`/proc/${pid}/maps`, 'utf8'));
  const memory = await ignoreUnreadable(open(`/proc/${pid}/mem`));
  if (maps === undefined || memory === undefined) return undefined;
  const overlap = Math.max(0, ...needles.map(({ bytes }) => bytes.length - 1));
  let total = 0;
  try {
    for (const range of listReadableRanges(maps)) {
      total += await readRange(memory, range, { overlap, search });
    }
  } finally {
    await memory.close();
  }
  return total;
};

/** The lines of proc(5) maps: `start-end perms offset dev inode path`. */
const listReadableRanges = (maps: string): readonly Range[] =>
  [...maps.matchAll(/^([0-9a-f]+)-([0-9a-f]+) r/gm)]
    .map(([, start = '', end = '']) => ({ start: parseInt(start, 16), end: parseInt(end, 16) }))
    // The kernel's own pages are above what a file position can express.
    .filter(({ end }) => Number.isSafeInteger(end));

/** Searches piece by piece; what is across two pieces is in the overlap. @returns bytes read */
const readRange = async (
  memory: FileHandle,
  { start, end }: Range,
  { overlap, search }: { overlap: number; search: (bytes: Buffer) => void },
): Promise<number> => {
  const buffer = Buffer.alloc(overlap + Math.min(CHUNK_BYTES, end - start));
  let kept = 0;
  let position = start;
  while (position < end) {
    const wanted = Math.min(CHUNK_BYTES, end - position);
    // Memory may be released meanwhile, and some of the kernel's pages cannot be read.
    const result = await memory.read(buffer, kept, wanted, position).catch(() => undefined);
    if (result === undefined || result.bytesRead === 0) break;
    position += result.bytesRead;
    const filled = kept + result.bytesRead;
    search(buffer.subarray(0, filled));
    kept = Math.min(overlap, filled);
    buffer.copyWithin(0, filled - kept, filled);
  }
  return position - start;
};

/** No `/proc` on this system, or no permission. */
const ignoreUnreadable = <T>(reading: Promise<T>): Promise<T | undefined> =>
  reading.catch((error: unknown) => {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'EACCES' || code === 'EPERM') return undefined;
    throw error;
  });
