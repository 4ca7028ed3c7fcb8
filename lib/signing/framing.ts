/**
 * Frames a payload as `STREAMING-UNSIGNED-PAYLOAD-TRAILER` (Amazon S3 API Reference, "Authenticating
 * Requests: transferring payload in multiple chunks"). Sizes are fixed in advance, so that the length of
 * the whole body is known before its first byte.
 */
export type FrameEncoder = {
  /** @returns what to send for this part of the payload; the payload itself is not copied */
  readonly push: (payload: Uint8Array) => readonly Uint8Array[];
  /** @returns the last chunk and the trailer */
  readonly end: (trailerValue: string) => Uint8Array;
};

/** As botocore frames: large enough that framing costs nothing. */
const FRAME_BYTES = 1024 * 1024;
const CRLF = Buffer.from('\r\n');

const formatEnd = (trailer: string, value: string): string => `0\r\n${trailer}:${value}\r\n\r\n`;

/** Bytes of one frame: size line, payload, CR LF. */
const frameLength = (payloadLength: number): number =>
  payloadLength.toString(16).length + 2 + payloadLength + 2;

/**
 * @param valueLength characters of the trailer's value, which the checksum algorithm determines
 * @returns bytes of the framed body
 */
export const computeFramedLength = (
  decodedLength: number,
  { trailer, valueLength }: { trailer: string; valueLength: number },
): number => {
  const rest = decodedLength % FRAME_BYTES;
  return (
    Math.floor(decodedLength / FRAME_BYTES) * frameLength(FRAME_BYTES) +
    (rest === 0 ? 0 : frameLength(rest)) +
    formatEnd(trailer, '').length +
    valueLength
  );
};

/**
 * Creates an encoder for a payload of `decodedLength` bytes; the caller pushes exactly that many.
 *
 * @param trailer name of the trailer header
 */
export const createFrameEncoder = (decodedLength: number, trailer: string): FrameEncoder => {
  let leftInBody = decodedLength;
  let leftInFrame = 0;

  const startFrame = (): Uint8Array => {
    leftInFrame = Math.min(FRAME_BYTES, leftInBody);
    return Buffer.from(`${leftInFrame.toString(16)}\r\n`);
  };

  const take = (payload: Uint8Array, frames: Uint8Array[]): number => {
    if (leftInFrame === 0) frames.push(startFrame());
    const part = payload.subarray(0, leftInFrame);
    frames.push(part);
    leftInFrame -= part.length;
    leftInBody -= part.length;
    if (leftInFrame === 0) frames.push(CRLF);
    return part.length;
  };

  return {
    push: (payload) => {
      if (payload.length > leftInBody) throw new RangeError('more payload than was announced');
      const frames: Uint8Array[] = [];
      for (let at = 0; at < payload.length;) at += take(payload.subarray(at), frames);
      return frames;
    },
    end: (value) => {
      if (leftInBody > 0) throw new RangeError('less payload than was announced');
      return Buffer.from(formatEnd(trailer, value));
    },
  };
};
