import { describe, expect, it, jest } from '@jest/globals';

import { createUsageCounter } from './token-usage.ts';

const count = (
  body: string,
  { contentType = 'application/json', requestBytes = 300, isComplete = true } = {},
) => {
  const counter = createUsageCounter({ contentType, requestBytes });
  const bytes = Buffer.from(body);
  for (let from = 0; from < bytes.length; from += 7) counter.push(bytes.subarray(from, from + 7));
  return counter.end(isComplete);
};
const stream = (...events: unknown[]): string =>
  events
    .map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`)
    .join('');
const SSE = { contentType: 'text/event-stream; charset=utf-8' };

describe('createUsageCounter', () => {
  it.each([
    [
      'chat completions',
      { usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 } },
      15,
    ],
    ['embeddings', { usage: { prompt_tokens: 8, total_tokens: 8 } }, 8],
    [
      'responses',
      {
        usage: {
          input_tokens: 10,
          input_tokens_details: { cached_tokens: 4 },
          output_tokens: 5,
          total_tokens: 15,
        },
      },
      15,
    ],
    [
      'messages',
      {
        usage: {
          input_tokens: 10,
          output_tokens: 5,
          cache_creation_input_tokens: 3,
          cache_read_input_tokens: 2,
        },
      },
      20,
    ],
    ['an error', { error: { message: 'no' } }, 0],
    [
      'numbers that are none',
      { usage: { total_tokens: -5, input_tokens: '7', output_tokens: 1e300 } },
      0,
    ],
  ])('counts an answer of %s', (_, answer, tokens) => {
    expect(count(JSON.stringify(answer))).toBe(tokens);
  });

  it('counts the last event of a stream of chat completions', () => {
    const chunk = { choices: [{ delta: { content: 'x' } }], usage: null };
    const last = {
      choices: [],
      usage: { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 },
    };
    expect(count(stream(chunk, chunk, last, '[DONE]'), SSE)).toBe(15);
  });

  it('counts the last event of a stream of responses', () => {
    const completed = {
      type: 'response.completed',
      response: { usage: { input_tokens: 10, output_tokens: 5, total_tokens: 15 } },
    };
    expect(count(stream({ type: 'response.created', response: {} }, completed), SSE)).toBe(15);
  });

  it('joins the first and the last numbers of a stream of messages, which are totals', () => {
    const events = [
      {
        type: 'message_start',
        message: { usage: { input_tokens: 10, cache_read_input_tokens: 2, output_tokens: 1 } },
      },
      { type: 'message_delta', usage: { output_tokens: 3 } },
      { type: 'message_delta', usage: { output_tokens: 5 } },
      { type: 'message_stop' },
    ];
    expect(count(stream(...events), SSE)).toBe(17);
  });

  it('estimates a stream that the client cuts before its last event', () => {
    const body = stream({ choices: [{ delta: { content: 'x'.repeat(300) } }] });
    expect(count(body, { ...SSE, isComplete: false })).toBe(Math.ceil((300 + body.length) / 3));
  });

  it('estimates at least what was reported before the cut', () => {
    const body = stream({ type: 'message_start', message: { usage: { input_tokens: 5000 } } });
    expect(count(body, { ...SSE, isComplete: false })).toBe(5000);
  });

  it('estimates an answer and an event that are too large to be read', () => {
    const counter = createUsageCounter({ contentType: 'application/json', requestBytes: 0 });
    for (let index = 0; index < 5; index += 1) counter.push(Buffer.alloc(1024 * 1024, 0x20));
    expect(counter.end(true)).toBe(Math.ceil((5 * 1024 * 1024) / 3));
    const events = createUsageCounter({ ...SSE, requestBytes: 0 });
    const large = Buffer.from(`data: ${'x'.repeat(1024 * 1024)}\n\n`);
    events.push(large);
    expect(events.end(true)).toBe(Math.ceil(large.length / 3));
  });

  it('joins an answer that comes byte by byte as it arrives', () => {
    const concat = jest.spyOn(Buffer, 'concat');
    const counter = createUsageCounter({ contentType: 'application/json', requestBytes: 0 });
    const answer = JSON.stringify({ text: 'x'.repeat(50_000), usage: { total_tokens: 15 } });
    for (const byte of Buffer.from(answer)) counter.push(Uint8Array.of(byte));
    const tokens = counter.end(true);
    const joined = concat.mock.calls.map(([pieces]) => pieces.length);
    concat.mockRestore();
    expect(tokens).toBe(15);
    expect(Math.max(...joined)).toBeLessThan(1000);
  });

  it('counts nothing for an answer of another kind', () => {
    expect(count('{"usage":{"total_tokens":5}}', { contentType: 'text/plain' })).toBe(0);
  });
});
