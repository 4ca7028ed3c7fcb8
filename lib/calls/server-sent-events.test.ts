import { describe, expect, it, jest } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { createEventReader } from './server-sent-events.ts';

const readAll = (text: string, cuts: readonly number[] = [], maxEventBytes = 1000) => {
  const bytes = Buffer.from(text);
  const reader = createEventReader(maxEventBytes);
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  let from = 0;
  const events = ends
    .sort((one, other) => one - other)
    .flatMap((end) => {
      const read = reader.push(bytes.subarray(from, end));
      from = end;
      return read;
    });
  return { events, hasSkipped: reader.hasSkipped() };
};

describe('createEventReader', () => {
  it.each([
    ['data: a\n\ndata: b\n\n', ['a', 'b']],
    ['event: x\ndata: a\nid: 1\n\n', ['a']],
    ['data: a\ndata: b\n\n', ['a\nb']],
    ['data:a\r\n\r\ndata:  b\r\n\r\n', ['a', ' b']],
    ['data: a\r\rdata: b\r\r', ['a', 'b']],
    [': comment\n\ndata\n\n', ['']],
    ['database: x\n\n', []],
    ['data: é\n\n', ['é']],
    ['\n\n\ndata: a\n\n', ['a']],
    ['data: unfinished', []],
    ['data: unfinished\n', []],
  ])('reads %j', (text, events) => {
    expect(readAll(text).events).toEqual(events);
  });

  it('reads the same events however the stream is cut', () => {
    const text = ': c\r\ndata: {"é":1}\r\ndata: 2\r\n\r\nevent: x\ndata: b\n\n\rdata: c\r\r';
    fc.assert(
      fc.property(fc.array(fc.nat(200), { maxLength: 10 }), (cuts) => {
        expect(readAll(text, cuts)).toEqual(readAll(text));
      }),
    );
  });

  it('joins a line that comes byte by byte as it arrives', () => {
    const concat = jest.spyOn(Buffer, 'concat');
    const reader = createEventReader(100_000);
    const data = 'x'.repeat(50_000);
    const events = [...Buffer.from(`data: ${data}\n\n`)].flatMap((byte) =>
      reader.push(Uint8Array.of(byte)),
    );
    const joined = concat.mock.calls.map(([pieces]) => pieces.length);
    concat.mockRestore();
    expect(events).toEqual([data]);
    expect(Math.max(...joined)).toBeLessThan(1000);
  });

  it('skips an event above its limit, in many lines or in one, and reads the next', () => {
    const large = `data: ${'x'.repeat(60)}\n\ndata: a\n\n`;
    expect(readAll(large, [10, 20, 30], 50)).toEqual({ events: ['a'], hasSkipped: true });
    const lines = `${'data: x\n'.repeat(20)}\ndata: a\n\n`;
    expect(readAll(lines, [], 50)).toEqual({ events: ['a'], hasSkipped: true });
  });
});
