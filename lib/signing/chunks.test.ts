import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import {
  ChunkedBodyError,
  createChunkDecoder,
  parseStreamingHash,
  type ChunkedFormat,
} from './chunks.ts';
import { computeFramedLength, createFrameEncoder } from './framing.ts';

const CRC = 'x-amz-checksum-crc32';
const VALUE = 'AAAAAA==';
const SIGNATURE = '0'.repeat(64);

const unsigned = (decodedLength: number): ChunkedFormat => ({
  isSigned: false,
  trailer: CRC,
  decodedLength,
});
const signed = (decodedLength: number): ChunkedFormat => ({ isSigned: true, decodedLength });

const split = (bytes: Uint8Array, size: number): readonly Uint8Array[] =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, index) =>
    bytes.subarray(index * size, (index + 1) * size),
  );

const decode = (body: string | Uint8Array, format: ChunkedFormat, pieceLength = 1 << 20) => {
  const decoder = createChunkDecoder(format);
  const payload = split(Buffer.from(body), pieceLength).flatMap((piece) => decoder.push(piece));
  const trailer = decoder.end();
  return { payload: Buffer.concat(payload).toString(), trailer };
};

describe('createChunkDecoder', () => {
  it('decodes chunks without signatures, and their trailer', () => {
    const body = `5\r\nhello\r\n6\r\n world\r\n0\r\n${CRC}:${VALUE}\r\n\r\n`;
    expect(decode(body, unsigned(11))).toEqual({ payload: 'hello world', trailer: VALUE });
  });

  it('decodes chunks with signatures', () => {
    const extension = `;chunk-signature=${SIGNATURE}`;
    const body = `5${extension}\r\nhello\r\n0${extension}\r\n\r\n`;
    expect(decode(body, signed(5))).toEqual({ payload: 'hello', trailer: undefined });
  });

  it('decodes a signed trailer', () => {
    const extension = `;chunk-signature=${SIGNATURE}`;
    const body =
      `2${extension}\r\nhi\r\n0${extension}\r\n${CRC}:${VALUE}\r\n` +
      `x-amz-trailer-signature:${SIGNATURE}\r\n\r\n`;
    expect(decode(body, { ...signed(2), trailer: CRC }).trailer).toBe(VALUE);
  });

  it('decodes an empty payload', () => {
    expect(decode(`0\r\n${CRC}:${VALUE}\r\n\r\n`, unsigned(0)).payload).toBe('');
  });

  it('decodes what the encoder framed, however the bytes are split, at the announced length', () => {
    const sizes = [0, 1, 15, 16, 70_000, 1024 * 1024, 1024 * 1024 + 1, 2 * 1024 * 1024];
    fc.assert(
      fc.property(fc.constantFrom(...sizes), fc.integer({ min: 1, max: 65_536 }), (size, piece) => {
        const payload = Buffer.alloc(size, 'payload\r\n0\r\n');
        const encoder = createFrameEncoder(size, CRC);
        const frames = split(payload, 9_999).flatMap((part) => encoder.push(part));
        const body = Buffer.concat([...frames, encoder.end(VALUE)]);
        const lengthOptions = { trailer: CRC, valueLength: VALUE.length };
        expect(body.length).toBe(computeFramedLength(size, lengthOptions));
        const decoder = createChunkDecoder(unsigned(size));
        const decoded = split(body, piece + 50).flatMap((part) => decoder.push(part));
        expect(Buffer.concat(decoded).equals(payload)).toBe(true);
        expect(decoder.end()).toBe(VALUE);
      }),
      { numRuns: 40 },
    );
  });

  it('decodes a body that arrives byte by byte', () => {
    const body = `5\r\nhello\r\n0\r\n${CRC}:${VALUE}\r\n\r\n`;
    expect(decode(body, unsigned(5), 1)).toEqual({ payload: 'hello', trailer: VALUE });
  });

  it.each([
    ['a size without digits', '\r\n'],
    ['a size with a sign', '+5\r\nhello\r\n'],
    ['a size with a space', '5 \r\nhello\r\n'],
    ['a size in another base', '0x5\r\nhello\r\n'],
    ['a size of 13 digits', '0000000000005\r\nhello\r\n'],
    ['a chunk extension', '5;a=b\r\nhello\r\n'],
    ['an unexpected signature', `5;chunk-signature=${SIGNATURE}\r\nhello\r\n`],
    ['LF alone after a size', '5\nhello\r\n'],
    ['LF alone after a chunk', '5\r\nhello\n'],
    ['bytes beyond a chunk', '5\r\nhelloX\r\n'],
    ['more than the announced length', '6\r\nhello!\r\n'],
    ['less than the announced length', `4\r\nhell\r\n0\r\n${CRC}:${VALUE}\r\n\r\n`],
    ['another trailer', `5\r\nhello\r\n0\r\nx-amz-checksum-sha1:${VALUE}\r\n\r\n`],
    ['no trailer', '5\r\nhello\r\n0\r\n\r\n'],
    ['a trailer that is not base64', `5\r\nhello\r\n0\r\n${CRC}:<>\r\n\r\n`],
    ['a second trailer', `5\r\nhello\r\n0\r\n${CRC}:${VALUE}\r\n${CRC}:${VALUE}\r\n\r\n`],
    ['bytes after the end', `5\r\nhello\r\n0\r\n${CRC}:${VALUE}\r\n\r\nGET / HTTP/1.1\r\n`],
    ['an endless line', '1'.repeat(300)],
    ['a body that ends early', '5\r\nhel'],
    ['a body that ends within the trailer', `5\r\nhello\r\n0\r\n${CRC}:${VALUE}\r\n`],
  ])('refuses %s, whole or byte by byte', (_, body) => {
    for (const pieceLength of [1 << 20, 1]) {
      expect(() => decode(body, unsigned(5), pieceLength)).toThrow(ChunkedBodyError);
    }
  });

  it('refuses a chunk without its signature', () => {
    expect(() => decode('2\r\nhi\r\n', signed(2))).toThrow(/size of a chunk/);
  });

  it('never passes on more than the announced length, whatever the bytes', () => {
    const line = fc.constantFrom(
      '5\r\n',
      'hello',
      '\r\n',
      '0\r\n',
      `${CRC}:${VALUE}\r\n`,
      'f\r\n',
      ';',
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
        const decoder = createChunkDecoder(unsigned(5));
        const passed: Uint8Array[] = [];
        try {
          for (const part of lines) passed.push(...decoder.push(Buffer.from(part)));
          expect(decoder.end()).toBe(VALUE);
          expect(Buffer.concat(passed).length).toBe(5);
        } catch (error) {
          expect(error).toMatchObject({ code: 'chunks_malformed' });
        }
        expect(Buffer.concat(passed).length).toBeLessThanOrEqual(5);
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('parseStreamingHash', () => {
  it.each([
    ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD', { isSigned: true, hasTrailer: false }],
    ['STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER', { isSigned: true, hasTrailer: true }],
    ['STREAMING-UNSIGNED-PAYLOAD-TRAILER', { isSigned: false, hasTrailer: true }],
    ['UNSIGNED-PAYLOAD', undefined],
    ['STREAMING-AWS4-HMAC-SHA256-EVENTS', undefined],
  ])('reads %s', (hash, format) => {
    expect(parseStreamingHash(hash)).toEqual(format);
  });
});

describe('createFrameEncoder', () => {
  it('refuses more or less payload than was announced', () => {
    const encoder = createFrameEncoder(2, CRC);
    expect(() => encoder.push(Buffer.from('abc'))).toThrow(RangeError);
    encoder.push(Buffer.from('a'));
    expect(() => encoder.end(VALUE)).toThrow(RangeError);
  });
});
