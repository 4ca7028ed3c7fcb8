import { describe, expect, it } from '@jest/globals';
import { decodeCbor } from './cbor.ts';
import { InputError, MAX_DEPTH } from './input-error.ts';

const decode = (hex: string): unknown => decodeCbor(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

describe('decodeCbor', () => {
  it.each([
    // RFC 8949, appendix A.
    ['00', 0],
    ['17', 23],
    ['1818', 24],
    ['190100', 256],
    ['1a000f4240', 1_000_000],
    ['1b000000e8d4a51000', 1_000_000_000_000],
    ['20', -1],
    ['3863', -100],
    ['fb3ff199999999999a', 1.1],
    ['fa47c35000', 100_000],
    ['f4', false],
    ['f5', true],
    ['f6', null],
    ['f7', null],
    ['c11a514b67b0', 1_363_896_240],
    ['4401020304', Uint8Array.of(1, 2, 3, 4)],
    ['6161', 'a'],
    ['62c3bc', 'ü'],
    ['83010203', [1, 2, 3]],
    ['a26161016162820203', { a: 1, b: [2, 3] }],
    ['bf61610161629f0203ffff', { a: 1, b: [2, 3] }],
  ])('decodes %s', (hex, expected) => {
    expect(decode(hex)).toEqual(expected);
  });

  it('keeps a name that JavaScript gives a meaning as a plain member', () => {
    const decoded = decode(`a1 69 ${Buffer.from('__proto__').toString('hex')} a0`);
    expect(Object.hasOwn(decoded as object, '__proto__')).toBe(true);
  });

  it.each([
    ['nothing', ''],
    ['a name twice', 'a2 6161 01 6161 02'],
    ['a name that is a number', 'a1 01 01'],
    ['a second item', '00 00'],
    ['a text that ends early', '63 6161'],
    ['a text that claims 2^63 bytes', '7b 8000000000000000 61'],
    ['a map that ends early', 'a1 6161'],
    ['a map without its end', 'bf 6161 01'],
    ['a text in pieces', '7f 6161 ff'],
    ['invalid UTF-8', '61 ff'],
    ['a reserved length', '1c'],
    ['a break without beginning', 'ff'],
    ['a simple value without meaning', 'e0'],
    ['too many levels', `${'81'.repeat(MAX_DEPTH + 1)}00`],
    ['too many tags', `${'c1'.repeat(MAX_DEPTH + 1)}00`],
  ])('refuses %s', (_, hex) => {
    expect(() => decode(hex)).toThrow(InputError);
  });

  it('accepts the deepest level', () => {
    expect(() => decode(`${'81'.repeat(MAX_DEPTH)}00`)).not.toThrow();
  });
});
