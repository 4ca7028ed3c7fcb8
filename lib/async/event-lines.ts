import { createPieceList } from './piece-list.ts';

/** The lines of an event stream (WHATWG HTML, section 9.2.6), across chunks. */
export type EventLines = {
  /** @returns the lines that this chunk completes, without their ends; undefined for one that was dropped */
  readonly push: (chunk: Uint8Array) => Generator<Buffer | undefined>;
  /** Size of the line that has begun. */
  readonly getPendingBytes: () => number;
  /** Keeps nothing of the line that has begun. */
  readonly drop: () => void;
};

const LF = 0x0a;
const CR = 0x0d;

/** Creates what splits bytes into lines that end with CR, LF or both. */
export const createEventLines = (): EventLines => {
  const rest = createPieceList();
  let isAfterCr = false;
  let isDropped = false;
  let size = 0;

  const keep = (bytes: Uint8Array): void => {
    if (isDropped) return;
    // The caller may write to its chunk again.
    rest.push(Buffer.from(bytes));
    size += bytes.length;
  };
  const endLine = (bytes: Uint8Array): Buffer | undefined => {
    const line = isDropped ? undefined : Buffer.concat([...rest.list(), bytes]);
    rest.clear();
    [size, isDropped] = [0, false];
    return line;
  };

  return {
    push: function* (chunk) {
      let from = 0;
      for (let at = 0; at < chunk.length; at += 1) {
        const byte = chunk[at];
        // CR LF ends one line.
        const isSecond = byte === LF && isAfterCr;
        isAfterCr = byte === CR;
        if (byte !== LF && byte !== CR) continue;
        const line = chunk.subarray(from, at);
        from = at + 1;
        if (!isSecond) yield endLine(line);
      }
      if (from < chunk.length) keep(chunk.subarray(from));
    },
    getPendingBytes: () => size,
    drop: () => {
      rest.clear();
      [size, isDropped] = [0, true];
    },
  };
};

/** Splits a line into its field and value. The field of a comment is empty. */
export const parseEventField = (
  line: string,
): { readonly field: string; readonly value: string } => {
  const [, field = '', value = ''] = /^([^:]*)(?:: ?([^]*))?$/.exec(line) ?? [];
  return { field, value };
};
