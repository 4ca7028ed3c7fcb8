/** Bytes of a line that are kept; records are much shorter. */
const MAX_LINE_BYTES = 2 * 1024 * 1024;

const LINE_BREAK = 0x0a;

/** One line of a file, without its line break. */
export type FileLine = {
  /** The first bytes of the line, at most `maxLineBytes`. */
  readonly bytes: Buffer;
  /** Whether a line break follows; false only at the end of a file. */
  readonly isEnded: boolean;
};

/** Splits the chunks of a file into lines; holds one line at a time. */
export const splitLines = async function* (
  chunks: AsyncIterable<Uint8Array>,
  maxLineBytes = MAX_LINE_BYTES,
): AsyncGenerator<FileLine> {
  let pieces: Buffer[] = [];
  let length = 0;
  const keep = (piece: Buffer): void => {
    if (length < maxLineBytes) pieces.push(piece);
    length += piece.length;
  };
  const take = (): Buffer => {
    const bytes = pieces.length === 1 ? pieces[0] : undefined;
    const line = bytes ?? Buffer.concat(pieces);
    pieces = [];
    length = 0;
    return line.subarray(0, maxLineBytes);
  };
  for await (const chunk of chunks) {
    const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let from = 0;
    for (let at = buffer.indexOf(LINE_BREAK); at !== -1; at = buffer.indexOf(LINE_BREAK, from)) {
      keep(buffer.subarray(from, at));
      yield { bytes: take(), isEnded: true };
      from = at + 1;
    }
    if (from < buffer.length) keep(buffer.subarray(from));
  }
  if (length > 0) yield { bytes: take(), isEnded: false };
};
