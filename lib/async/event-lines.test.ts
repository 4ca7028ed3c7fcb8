import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { createEventLines, parseEventField } from './event-lines.ts';

const toText = (line: Buffer | undefined): string | undefined => line?.toString();

const readAll = (text: string, cuts: readonly number[] = []): readonly (string | undefined)[] => {
  const bytes = Buffer.from(text);
  const lines = createEventLines();
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
  let from = 0;
  return ends
    .sort((one, other) => one - other)
    .flatMap((end) => {
      const read = [...lines.push(bytes.subarray(from, end))];
      from = end;
      return read.map(toText);
    });
};

describe('createEventLines', () => {
  it('ends a line at LF, CR or both, also where chunks are cut', () => {
    const text = 'a\nb\rc\r\nd\r\r\n\n\re';
    const lines = ['a', 'b', 'c', 'd', '', '', ''];
    expect(readAll(text)).toEqual(lines);
    fc.assert(
      fc.property(fc.array(fc.nat(30), { maxLength: 8 }), (cuts) => {
        expect(readAll(text, cuts)).toEqual(lines);
      }),
    );
  });

  it('keeps its own copy of a line that has begun', () => {
    const lines = createEventLines();
    const chunk = Buffer.from('begun');
    expect([...lines.push(chunk)]).toEqual([]);
    chunk.fill('x');
    expect([...lines.push(Buffer.from('\n'))].map(toText)).toEqual(['begun']);
  });

  it('reports a dropped line as one without content, and reads the next', () => {
    const lines = createEventLines();
    expect([...lines.push(Buffer.from('too long'))]).toEqual([]);
    expect(lines.getPendingBytes()).toBe(8);
    lines.drop();
    expect(lines.getPendingBytes()).toBe(0);
    expect([...lines.push(Buffer.from(' and more'))]).toEqual([]);
    expect(lines.getPendingBytes()).toBe(0);
    expect([...lines.push(Buffer.from('\n\nnext\n'))].map(toText)).toEqual([undefined, '', 'next']);
  });
});

describe('parseEventField', () => {
  it.each([
    ['data: a', 'data', 'a'],
    ['data:  a:b', 'data', ' a:b'],
    ['data', 'data', ''],
    ['id:', 'id', ''],
    [': comment', '', 'comment'],
  ])('splits %j', (line, field, value) => {
    expect(parseEventField(line)).toEqual({ field, value });
  });
});
