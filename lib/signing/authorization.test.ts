import { describe, expect, it } from '@jest/globals';
import { formatAuthorization, parseAuthorization } from './authorization.ts';

const SCOPE = '20261128/eu-central-1/s3/aws4_request';
const SIGNATURE = 'a'.repeat(64);
const VALID =
  `AWS4-HMAC-SHA256 Credential=VALETKEYAAAABBBB/${SCOPE}, ` +
  `SignedHeaders=host;x-amz-date, Signature=${SIGNATURE}`;

const readCode = (header: string) => {
  const result = parseAuthorization(header);
  return result.ok ? 'accepted' : result.fault.code;
};

describe('parseAuthorization', () => {
  it('parses key, scope, header names and signature, and formats them back', () => {
    const result = parseAuthorization(VALID);
    expect(result).toEqual({
      ok: true,
      authorization: {
        accessKeyId: 'VALETKEYAAAABBBB',
        scope: { date: '20261128', region: 'eu-central-1', service: 's3' },
        signedHeaders: ['host', 'x-amz-date'],
        signature: SIGNATURE,
      },
    });
    expect(result.ok && formatAuthorization(result.authorization)).toBe(VALID);
  });

  it('accepts fields that are separated by commas without spaces, as rclone writes them', () => {
    expect(readCode(VALID.replaceAll(', ', ','))).toBe('accepted');
  });

  it('reports SigV4a by its name', () => {
    expect(readCode(VALID.replace('AWS4-HMAC-SHA256', 'AWS4-ECDSA-P256-SHA256'))).toBe('sigv4a');
  });

  it.each([
    ['nothing', ''],
    ['another scheme', 'Bearer abc'],
    ['lower case', VALID.replace('AWS4-HMAC', 'aws4-hmac')],
    ['no credential', VALID.replace(/Credential=[^,]+, /, '')],
    ['a field twice', `${VALID}, Signature=${SIGNATURE}`],
    ['an unknown field', `${VALID}, Extra=1`],
    ['a short scope', VALID.replace('/aws4_request', '')],
    ['another terminator', VALID.replace('aws4_request', 'aws5_request')],
    ['headers out of order', VALID.replace('host;x-amz-date', 'x-amz-date;host')],
    ['a header twice', VALID.replace('host;', 'host;host;')],
    ['headers in upper case', VALID.replace('host;', 'Host;')],
    ['a short signature', VALID.slice(0, -1)],
    ['a signature in upper case', VALID.replace(SIGNATURE, SIGNATURE.toUpperCase())],
    ['a line break', VALID.replace(', ', ',\n')],
  ])('refuses %s', (_, header) => {
    expect(readCode(header)).toBe('request_malformed');
  });
});
