import { describe, expect, it } from '@jest/globals';
import { planBody } from './body-plan.ts';

const HASH = 'a'.repeat(64);

const plan = (headers: Readonly<Record<string, string>>, service = 's3') =>
  planBody(new Map(Object.entries(headers)), service);

describe('planBody', () => {
  it.each([
    ['a hash', { 'x-amz-content-sha256': HASH, 'content-length': '5' }, 'stream'],
    ['no payload hash', { 'content-length': '5' }, 'buffer'],
    [
      'chunks with a trailer',
      {
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-decoded-content-length': '5',
        'x-amz-trailer': 'x-amz-checksum-crc32',
      },
      'chunked',
    ],
  ])('plans a body with %s', (_, headers, kind) => {
    expect(plan(headers)).toMatchObject({ ok: true, value: { kind } });
    expect(plan(headers, 'dynamodb')).toMatchObject({ ok: true, value: { kind: 'buffer' } });
  });

  it.each([
    { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-EVENTS' },
    { 'content-type': 'application/vnd.amazon.eventstream' },
    { 'content-type': 'Application/VND.amazon.eventstream; charset=utf-8' },
  ])('refuses to read a stream of events of any service first: %j', (headers) => {
    for (const service of ['s3', 'bedrock', 'transcribe']) {
      expect(plan(headers, service)).toMatchObject({ refusal: { code: 'event_stream' } });
    }
  });

  it.each([
    [
      'an event stream',
      { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-EVENTS' },
      'event_stream',
    ],
    ['another text as hash', { 'x-amz-content-sha256': 'topsecret' }, 'request_malformed'],
    [
      'chunks without their length',
      { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' },
      'request_malformed',
    ],
    [
      'an unknown trailer',
      {
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'x-amz-decoded-content-length': '5',
        'x-amz-trailer': 'x-amz-checksum-md6',
      },
      'request_malformed',
    ],
  ])('refuses %s, without a header value in the message', (_, headers, code) => {
    const result = plan(headers);
    expect(result).toMatchObject({ ok: false, refusal: { code } });
    const message = result.ok ? '' : result.refusal.message;
    for (const value of Object.values(headers)) expect(message).not.toContain(value);
  });
});
