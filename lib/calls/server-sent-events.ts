import { createPieceList } from '../async/piece-list.ts';

/** Reads the data of events (WHATWG HTML, section 9.2.6) beside the stream, which passes on unchanged. */
export type EventReader = {
  /** @returns the data of each event that this chunk completes */
  readonly push: (chunk: Uint8Array) => readonly string[];
  /** Whether an event was too large to be kept. */
  readonly hasSkipped: () => boolean;
};

const LF = 0x0a;
const CR = 0x0d;

/**
 * Creates a reader that keeps at most one event.
 *
 * @param maxEventBytes larger events are skipped up to their end
 */
export const createEventReader = (maxEventBytes: number): EventReader => {
  let data: string[] = [];
  const line = createPieceList();
  let size = 0;
  let isTooLarge = false;
  let hasSkipped = false;
  let isAfterCr = false;

  const keep = (bytes: Buffer): void => {
    size += bytes.length;
    if (size > maxEventBytes) {
      [isTooLarge, data] = [true, []];
      line.clear();
    }
    if (!isTooLarge && bytes.length > 0) line.push(bytes);
  };
  /** @returns the data of the event, if this empty line ends one that was kept */
  const endEvent = (): readonly string[] => {
    const event = isTooLarge || data.length === 0 ? [] : [data.join('\n')];
    hasSkipped ||= isTooLarge;
    [data, size, isTooLarge] = [[], 0, false];
    return event;
  };
  let isLineEmpty = true;
  const endLine = (): readonly string[] => {
    const text = Buffer.concat(line.list()).toString('utf8');
    const isEnd = isLineEmpty;
    line.clear();
    isLineEmpty = true;
    if (isEnd) return endEvent();
    const value = /^data(?::| *$)/.test(text) ? text.replace(/^data:? ?/, '') : undefined;
    if (value !== undefined && !isTooLarge) data.push(value);
    return [];
  };

  return {
    push: (chunk) => {
      const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      const events: string[] = [];
      let from = 0;
      for (let at = 0; at < bytes.length; at += 1) {
        const byte = bytes[at];
        if (byte !== LF && byte !== CR) {
          [isAfterCr, isLineEmpty] = [false, false];
          continue;
        }
        keep(bytes.subarray(from, at));
        from = at + 1;
        // CR LF ends one line.
        if (byte === CR || !isAfterCr) events.push(...endLine());
        isAfterCr = byte === CR;
      }
      keep(Buffer.from(bytes.subarray(from)));
      return events;
    },
    hasSkipped: () => hasSkipped || isTooLarge,
  };
};
