import { describe, expect, test } from '@jest/globals';
import { createChunkSigner } from './chunk-signature.ts';
import { decodeChunks } from './chunks.ts';

// Amazon S3 API Reference, "Signature Calculations for the Authorization Header: Transferring
// Payload in Multiple Chunks": its example, 65 KiB of the letter a.
const SEED = '4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9';
const SIGNATURES = [
  'ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648',
  '0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497',
  'b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9',
];
const fakeSigner = createChunkSigner({
  authorization: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    date: '20130524',
    region: 'us-east-1',
    service: 's3',
    signedHeaders: [],
    signature: SEED,
  },
  session: {
    accessKeyId: 'AKIAIOSFODNN7EXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY',
    sessionToken: '',
    expiresAt: 0,
    arn: 'arn:aws:sts::111122223333:assumed-role/r/s',
    userId: '',
    policies: [],
  },
  longDate: '20130524T000000Z',
});

const formatChunk = (content: string, signature?: string): string => {
  const size = content.length.toString(16);
  return `${size}${signature === undefined ? '' : `;chunk-signature=${signature}`}\r\n${content}`;
};
const buildSignedBody = (last = SIGNATURES[2]): Buffer =>
  Buffer.from(
    [
      formatChunk('a'.repeat(65_536), SIGNATURES[0]),
      formatChunk('a'.repeat(1_024), SIGNATURES[1]),
      formatChunk('', last),
      '',
    ].join('\r\n'),
  );

describe('a signed aws-chunked body', () => {
  test("is decoded when its chain of signatures is the reference's", () => {
    const { content } = decodeChunks(buildSignedBody(), { signer: fakeSigner, seed: SEED });
    expect(content.length).toBe(65 * 1024);
  });

  test.each([
    ['another seed', buildSignedBody(), SEED.replace('4', '5')],
    ['a wrong last signature', buildSignedBody(SIGNATURES[1]), SEED],
    ['a changed byte', Buffer.from(buildSignedBody().toString().replace('aaaa', 'aaab')), SEED],
    ['no signatures', Buffer.from(`${formatChunk('abc')}\r\n${formatChunk('')}\r\n`), SEED],
  ])('is refused with %s', (_, body, seed) => {
    expect(() => decodeChunks(body, { signer: fakeSigner, seed })).toThrow(
      expect.objectContaining({ code: 'SignatureDoesNotMatch' }),
    );
  });
});

describe('an unsigned aws-chunked body', () => {
  test('gives its content and its trailer', () => {
    const body = `${formatChunk('abc')}\r\n${formatChunk('defg')}\r\n0\r\nx-amz-checksum-crc32:AAAA==\r\n\r\n`;
    const { content, trailer } = decodeChunks(Buffer.from(body));
    expect(content.toString()).toBe('abcdefg');
    expect([...trailer]).toEqual([['x-amz-checksum-crc32', 'AAAA==']]);
  });

  test.each([
    ['is cut off', '5\r\nabc'],
    ['has no size', '\r\nabc'],
    ['does not end its chunk', '3\r\nabcdef'],
    ['has a trailer without a name', '0\r\n:value\r\n'],
  ])('is refused when it %s', (_, body) => {
    expect(() => decodeChunks(Buffer.from(body))).toThrow(
      expect.objectContaining({ code: 'InvalidRequest' }),
    );
  });
});
