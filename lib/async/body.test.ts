import { PassThrough, Readable } from 'node:stream';

import { describe, expect, test } from '@jest/globals';

import { readBody } from './body.ts';

const chunks = (...texts: readonly string[]): Readable =>
  Readable.from(texts.map((text) => Buffer.from(text)));

describe('readBody', () => {
  test('returns all bytes of a body within the limit', async () => {
    expect(await readBody(chunks('ab', 'cd'), { maxBytes: 4 })).toEqual({
      kind: 'complete',
      bytes: Buffer.from('abcd'),
    });
    expect(await readBody(chunks(), { maxBytes: 4 })).toEqual({
      kind: 'complete',
      bytes: Buffer.alloc(0),
    });
  });

  test('stops reading a body above the limit and leaves the stream open', async () => {
    const stream = new PassThrough();
    stream.write('abc');
    stream.write('def');
    const body = await readBody(stream, { maxBytes: 4 });
    expect(body).toEqual({ kind: 'too_large', bytes: Buffer.from('abc') });
    expect(stream.isPaused()).toBe(true);
    expect(stream.destroyed).toBe(false);
  });

  test('reads a body above the limit to its end if it drains, and keeps nothing', async () => {
    const stream = chunks('abc', 'def', 'g');
    const body = await readBody(stream, { maxBytes: 4, drainExcess: true });
    expect(body).toEqual({ kind: 'too_large', bytes: Buffer.alloc(0) });
    expect(stream.readableEnded).toBe(true);
  });

  test('does not wait for the stream to close once the body is read', async () => {
    const whole = new PassThrough();
    whole.end('ab');
    await readBody(whole, { maxBytes: 4 });
    const large = new PassThrough();
    large.write('abcde');
    await readBody(large, { maxBytes: 4 });
    expect([whole, large].map((stream) => stream.listenerCount('close'))).toEqual([0, 0]);
  });

  test('returns what arrived before the stream failed or closed', async () => {
    const cause = new Error('reset');
    const failed = new PassThrough();
    failed.write('abc');
    setImmediate(() => failed.destroy(cause));
    expect(await readBody(failed, { maxBytes: 4 })).toEqual({
      kind: 'incomplete',
      bytes: Buffer.from('abc'),
      cause,
    });
    const closed = new PassThrough();
    setImmediate(() => closed.destroy());
    expect(await readBody(closed, { maxBytes: 4 })).toMatchObject({ kind: 'incomplete' });
  });
});
