import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { createEventStreamFilter } from './event-stream.ts';
import { MAX_ANSWER_BYTES } from './messages.ts';
import { allowMcp, refuseMcp, type McpResult } from './refusals.ts';
import type { FilteredAnswer } from './answer-filter.ts';

/** Removes `drop`, refuses `bad`, answers `ask`. */
const filter = (message: Uint8Array): McpResult<FilteredAnswer> => {
  const text = Buffer.from(message).toString();
  if (text === 'bad') return refuseMcp('upstream_untrusted', 'bad');
  if (text === 'ask') return allowMcp({ reply: 'no' });
  return allowMcp(text === 'drop' ? {} : { forward: text });
};

const run = (chunks: readonly Uint8Array[]) => {
  const stream = createEventStreamFilter(filter);
  let forward = '';
  const replies: string[] = [];
  for (const chunk of chunks) {
    const output = stream.push(chunk);
    if (!output.ok) return { forward, replies, code: output.refusal.code };
    forward += output.value.forward;
    replies.push(...output.value.replies);
  }
  return { forward, replies };
};

const runText = (text: string) => run([Buffer.from(text)]);

describe('createEventStreamFilter', () => {
  it.each([
    ['LF', 'data: a\n\n'],
    ['CR LF', 'data: a\r\n\r\n'],
    ['CR', 'data: a\r\r'],
    ['a byte order mark', '\uFEFFdata:a\n\n'],
    ['the type message', 'event: message\ndata: a\n\n'],
  ])('passes an event with %s', (_, text) => {
    expect(runText(text).forward).toBe('data: a\n\n');
  });

  it('passes ID, retry and several lines of data', () => {
    const text = 'id: 7\nretry: 5\ndata: a\ndata: b\n\n';
    expect(runText(text).forward).toBe(text);
  });

  it('keeps the ID of an event that it drops, so that a client can resume', () => {
    expect(runText('id: 7\ndata: drop\n\n').forward).toBe('id: 7\n\n');
    expect(runText('id: 7\ndata:\n\n').forward).toBe('id: 7\n\n');
    expect(runText('data: drop\n\n').forward).toBe('');
  });

  it('drops events of other types and unknown fields, and keeps comments without their text', () => {
    expect(runText('event: endpoint\ndata: /x\n\n').forward).toBe('');
    expect(runText('other: x\ndata: a\n\n: keep\n').forward).toBe('data: a\n\n:\n');
  });

  it('does not pass an event that the stream leaves incomplete', () => {
    expect(runText('data: a\n').forward).toBe('');
  });

  it('returns what is to be answered to the server', () => {
    expect(runText('data: ask\n\ndata: a\n\n')).toEqual({
      forward: 'data: a\n\n',
      replies: ['no'],
    });
  });

  it('ends at a refused message, and stays ended', () => {
    const stream = createEventStreamFilter(filter);
    expect(stream.push(Buffer.from('data: bad\n\n')).ok).toBe(false);
    expect(stream.push(Buffer.from('data: a\n\n')).ok).toBe(false);
  });

  it('refuses bytes that are no UTF-8', () => {
    expect(run([Buffer.from([0x64, 0xff, 0x0a])]).code).toBe('upstream_untrusted');
  });

  it.each([
    ['one line', 'data: ', 'a'],
    ['many lines', '', 'data: a\n'],
  ])('refuses an event larger than 4 MiB in %s', (_, head, part) => {
    const chunk = Buffer.from(part.repeat(Math.ceil(MAX_ANSWER_BYTES / part.length)));
    expect(run([Buffer.from(head), chunk, Buffer.from(part.repeat(4))]).code).toBe(
      'upstream_untrusted',
    );
  });

  it('yields the same for any division into chunks', () => {
    const part = fc.constantFrom('data: a', 'data: ä', 'id: 1', ':', 'drop', 'data: drop', '');
    const end = fc.constantFrom('\n', '\r', '\r\n');
    const texts = fc.array(fc.tuple(part, end)).map((lines) => lines.flat().join(''));
    fc.assert(
      fc.property(texts, fc.infiniteStream(fc.integer({ min: 1, max: 5 })), (text, sizes) => {
        const bytes = Buffer.from(text);
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < bytes.length;) {
          const size = sizes.next().value as number;
          chunks.push(bytes.subarray(at, at + size));
          at += size;
        }
        expect(run(chunks)).toEqual(run([bytes]));
      }),
    );
  });
});
