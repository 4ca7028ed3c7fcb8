import { describe, expect, it } from '@jest/globals';

import { createPieceList } from './piece-list.ts';

describe('createPieceList', () => {
  it('keeps the bytes in their order in few pieces, however small the given ones are', () => {
    const pieces = createPieceList();
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, at) => at % 251));
    for (const byte of bytes) pieces.push(Uint8Array.of(byte));
    expect(pieces.list().length).toBeLessThan(1000);
    expect(Buffer.concat(pieces.list()).equals(bytes)).toBe(true);
    pieces.clear();
    expect(pieces.list()).toEqual([]);
  });
});
