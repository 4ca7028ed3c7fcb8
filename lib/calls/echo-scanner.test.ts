import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { listEchoForms } from './echo-forms.ts';
import { createEchoScanners, isEchoedIn } from './echo-scanner.ts';

const SECRET = 'sk-pr/oj_+"<a b>&~0123456789';

/** Sends a body in chunks that end at `cuts`. @returns what a client received */
const scan = (secrets: readonly string[], body: Buffer, cuts: readonly number[]) => {
  const scanner = createEchoScanners(secrets)();
  const ends = [...new Set([...cuts.map((cut) => cut % (body.length + 1)), body.length])];
  const received: Buffer[] = [];
  let from = 0;
  for (const end of ends.sort((one, other) => one - other)) {
    const { bytes, isEchoed } = scanner.push(body.subarray(from, end));
    received.push(bytes);
    from = end;
    if (isEchoed) return { isEchoed, received: Buffer.concat(received) };
  }
  return { isEchoed: false, received: Buffer.concat([...received, scanner.end()]) };
};

const FORMS: readonly (readonly [string, string])[] = [
  ['as it is', SECRET],
  ['in base64', Buffer.from(SECRET).toString('base64')],
  ['in base64, one byte later', Buffer.from(`a${SECRET}b`).toString('base64')],
  ['in base64, two bytes later', Buffer.from(`ab${SECRET}b`).toString('base64')],
  ['in base64url', Buffer.from(`ab${SECRET}`).toString('base64url')],
  ['as Basic credentials', Buffer.from(`x-access-token:${SECRET}`).toString('base64')],
  ['URL-encoded', encodeURIComponent(SECRET)],
  ['URL-encoded in lower case', encodeURIComponent(SECRET).replace(/%../g, (c) => c.toLowerCase())],
  ['as a form encodes it', new URLSearchParams({ a: SECRET }).toString()],
  [
    'with every byte URL-encoded',
    [...Buffer.from(SECRET)].map((b) => `%${b.toString(16)}`).join(''),
  ],
  ['in JSON', JSON.stringify({ a: SECRET })],
  ['in JSON with escaped slashes', JSON.stringify(SECRET).replaceAll('/', '\\/')],
  [
    'in JSON as Go writes it',
    JSON.stringify(SECRET).replace(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`),
  ],
  ['in hexadecimal', Buffer.from(SECRET).toString('hex')],
  ['in upper-case hexadecimal', Buffer.from(SECRET).toString('hex').toUpperCase()],
];

describe('createEchoScanners', () => {
  it.each(FORMS)('finds a secret %s, however the body is cut', (_, form) => {
    const body = Buffer.from(`{"message":"no such key: ${form}"} and more`);
    for (let cut = 0; cut <= body.length; cut += 1) {
      const { isEchoed, received } = scan([SECRET], body, [cut]);
      expect(isEchoed).toBe(true);
      expect(received.includes(form)).toBe(false);
    }
    const bytes = Array.from({ length: body.length }, (_unused, index) => index);
    expect(scan([SECRET], body, bytes).isEchoed).toBe(true);
  });

  it('sends nothing of the chunk with an echo, and nothing after it', () => {
    const scanner = createEchoScanners([SECRET])();
    expect(scanner.push(Buffer.from('before ')).bytes.toString()).toBe('before ');
    expect(scanner.push(Buffer.from(`x${SECRET}`))).toMatchObject({ isEchoed: true });
    expect(scanner.push(Buffer.from('after'))).toEqual({ bytes: Buffer.alloc(0), isEchoed: true });
    expect(scanner.end()).toHaveLength(0);
  });

  it('holds back only what could become a secret', () => {
    const scanner = createEchoScanners([SECRET])();
    expect(scanner.push(Buffer.from('data: {"a":1}\n\n')).bytes.toString()).toBe(
      'data: {"a":1}\n\n',
    );
    expect(scanner.push(Buffer.from('data: sk-')).bytes.toString()).toBe('data: ');
    expect(scanner.push(Buffer.from('other')).bytes.toString()).toBe('sk-other');
    expect(scanner.end()).toHaveLength(0);
  });

  /** The definition: is any form in the whole body? */
  const naive = (secrets: readonly string[], body: Buffer): boolean =>
    secrets.flatMap(listEchoForms).some((form) => body.includes(form));

  /** Secrets of two letters overlap themselves and each other. */
  const secret = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 8, maxLength: 10 });
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '6', '1', 'Y', 'W'), maxLength: 80 });

  it('finds what a search of the whole body finds, and sends every other body unchanged', () => {
    fc.assert(
      fc.property(
        fc.array(secret, { minLength: 1, maxLength: 3 }),
        fc.array(fc.oneof(text, secret), { maxLength: 4 }),
        fc.array(fc.nat(400), { maxLength: 8 }),
        (secrets, parts, cuts) => {
          const body = Buffer.from(parts.join(''));
          const { isEchoed, received } = scan(secrets, body, cuts);
          expect(isEchoed).toBe(naive(secrets, body));
          if (!isEchoed) expect(received).toEqual(body);
          expect(naive(secrets, received)).toBe(false);
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('holds back exactly the longest end of the body that a form begins with', () => {
    fc.assert(
      fc.property(secret, text, (one, body) => {
        const { bytes, isEchoed } = createEchoScanners([one])().push(Buffer.from(body));
        fc.pre(!isEchoed);
        const forms = listEchoForms(one).map((form) => form.toString());
        const lengths = Array.from({ length: body.length + 1 }, (_, length) => length);
        const longest = lengths.findLast((length) =>
          forms.some((form) => form.startsWith(body.slice(body.length - length))),
        );
        expect(body.length - bytes.length).toBe(longest);
      }),
      { numRuns: 1000 },
    );
  });

  it('prepares a secret of 16 KiB and scans a body that nearly repeats it', () => {
    const long = 'ab'.repeat(8 * 1024);
    const scanner = createEchoScanners([long])();
    const { bytes, isEchoed } = scanner.push(Buffer.from(`${long.slice(0, -1)}c`.repeat(16)));
    expect({ length: bytes.length, isEchoed }).toEqual({
      length: long.length * 16,
      isEchoed: false,
    });
  });

  it('refuses secrets that are too short to be looked for', () => {
    expect(() => createEchoScanners(['short'])).toThrow('at least 8 characters');
  });

  it('finds nothing without a secret', () => {
    expect(scan([], Buffer.from('body'), [2])).toEqual({
      isEchoed: false,
      received: Buffer.from('body'),
    });
  });

  it('looks into single texts, such as values of headers', () => {
    const scanners = createEchoScanners([SECRET]);
    expect(isEchoedIn(scanners, `x ${SECRET}`)).toBe(true);
    expect(isEchoedIn(scanners, 'x')).toBe(false);
  });
});
