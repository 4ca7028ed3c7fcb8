import { describe, expect, it } from '@jest/globals';

import fc from '../../test/kit/fast-check.ts';
import { createCommandReader, MAX_COMMAND_BYTES } from './git-commands.ts';

const ZERO = '0'.repeat(40);
const ONE = '1'.repeat(40);
const TWO = '2'.repeat(40);
const CAPABILITIES = '\0 report-status side-band-64k agent=git/2.39.5';

const line = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
const push = (...commands: string[]): Buffer =>
  Buffer.from(
    `${commands.map((command, index) => line(index === 0 ? `${command}${CAPABILITIES}` : command)).join('')}0000PACK`,
    'latin1',
  );
const read = (bytes: Uint8Array) => createCommandReader()(bytes);

describe('createCommandReader', () => {
  it('reads creations, updates and deletions up to the flush', () => {
    const bytes = push(
      `${ZERO} ${ONE} refs/heads/agent/a`,
      `${ONE} ${TWO} refs/heads/main`,
      `${ONE} ${ZERO} refs/tags/v1`,
    );
    expect(read(bytes)).toEqual({
      ok: true,
      value: {
        commands: [
          { ref: 'refs/heads/agent/a', kind: 'create', before: ZERO, after: ONE },
          { ref: 'refs/heads/main', kind: 'update', before: ONE, after: TWO },
          { ref: 'refs/tags/v1', kind: 'delete', before: ONE, after: ZERO },
        ],
        capabilities: new Set(['', 'report-status', 'side-band-64k', 'agent=git/2.39.5']),
      },
    });
  });

  it('reads the same commands however the body is cut', () => {
    const bytes = push(`${ZERO} ${ONE} refs/heads/a`, `${ONE} ${ZERO} refs/heads/b`);
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 20 }), (cuts) => {
        const reader = createCommandReader();
        const ends = [...cuts, bytes.length].sort((one, other) => one - other);
        let result: ReturnType<typeof reader> = { ok: true, value: undefined };
        let from = 0;
        for (const end of ends) {
          result = reader(bytes.subarray(from, end));
          from = end;
          if (!result.ok || result.value !== undefined) break;
        }
        expect(result).toEqual(read(bytes));
      }),
    );
  });

  it('accepts a line break at the end of a command, SHA-256 and a shallow clone', () => {
    const [zero, one] = ['0'.repeat(64), '1'.repeat(64)];
    const bytes = `${line(`shallow ${one}\n`)}${line(`${zero} ${one} refs/heads/a${CAPABILITIES}\n`)}0000`;
    expect(read(Buffer.from(bytes))).toMatchObject({
      ok: true,
      value: { commands: [{ ref: 'refs/heads/a', kind: 'create' }] },
    });
  });

  it('takes the probe that Git sends before a large push for no commands', () => {
    expect(read(Buffer.from('0000'))).toMatchObject({ ok: true, value: { commands: [] } });
  });

  it('waits for the flush', () => {
    const bytes = push(`${ZERO} ${ONE} refs/heads/a`);
    expect(read(bytes.subarray(0, bytes.indexOf('0000PACK')))).toEqual({
      ok: true,
      value: undefined,
    });
  });

  const COMMAND = `${ZERO} ${ONE} refs/heads/a`;
  it.each([
    ['a push certificate', `${line(`push-cert${CAPABILITIES}`)}0000`],
    [
      'a push certificate after a command',
      `${line(`${COMMAND}${CAPABILITIES}`)}${line('push-cert\0')}0000`,
    ],
    ['capabilities in a later command', `${line(COMMAND)}${line(`${COMMAND}\0 atomic`)}0000`],
    [
      'a hidden name behind NUL',
      `${line(COMMAND)}${line(`${ZERO} ${ONE} refs/heads/b\0refs/heads/main`)}0000`,
    ],
    ['push options', `${line(`${COMMAND}${CAPABILITIES} push-options`)}0000`],
    ['push options with a value', `${line(`${COMMAND}${CAPABILITIES} push-options=1`)}0000`],
    ['push options behind a tab', `${line(`${COMMAND}${CAPABILITIES}\tpush-options`)}0000`],
    ['push options behind a line break', `${line(`${COMMAND}\0\npush-options\n\n`)}0000`],
    ['push options behind another NUL', `${line(`${COMMAND}${CAPABILITIES}\0push-options`)}0000`],
    ['a delimiter packet', `${line(COMMAND)}0001`],
    ['a response-end packet', '0002'],
    ['a length below its own', '0003'],
    ['an empty line', `0004${line(COMMAND)}0000`],
    ['a length in other digits', '00zz'],
    ['a length with a sign', '-001'],
    ['a compressed body', '\u001f\u008b\u0008\u0000\u0000'],
    ['another object ID', `${line(`${ZERO} main refs/heads/a`)}0000`],
    ['object IDs of two formats', `${line(`${ZERO} ${'1'.repeat(64)} refs/heads/a`)}0000`],
    ['two zero IDs', `${line(`${ZERO} ${ZERO} refs/heads/a`)}0000`],
    ['a name outside refs', `${line(`${ZERO} ${ONE} HEAD`)}0000`],
    ['a name outside refs by dots', `${line(`${ZERO} ${ONE} refs/heads/../../config`)}0000`],
    ['a name with a space', `${line(`${ZERO} ${ONE} refs/heads/a b`)}0000`],
    ['a name with a line break', `${line(`${ZERO} ${ONE} refs/heads/a\nb`)}0000`],
    ['a name with a colon', `${line(`${ZERO} ${ONE} refs/heads/a:b`)}0000`],
    ['a name with an empty part', `${line(`${ZERO} ${ONE} refs/heads//a`)}0000`],
    ['a name that is no UTF-8', `${line(`${ZERO} ${ONE} refs/heads/\u00ff`)}0000`],
    ['a name with a pattern', `${line(`${ZERO} ${ONE} refs/heads/*`)}0000`],
    ['a hidden component', `${line(`${ZERO} ${ONE} refs/heads/.a`)}0000`],
    ['a lock file', `${line(`${ZERO} ${ONE} refs/heads/a.lock`)}0000`],
  ])('refuses %s', (_, text) => {
    expect(read(Buffer.from(text, 'latin1'))).toMatchObject({
      ok: false,
      refusal: { code: 'request_malformed' },
    });
  });

  it('refuses more commands than 64 KiB, in one piece or in many', () => {
    const bytes = Buffer.from(line(`${ZERO} ${ONE} refs/heads/${'a'.repeat(900)}`).repeat(80));
    expect(bytes.length).toBeGreaterThan(MAX_COMMAND_BYTES);
    expect(read(bytes).ok).toBe(false);
    const reader = createCommandReader();
    const results = Array.from({ length: 80 }, (_, index) => index * 1000).map((from) =>
      reader(bytes.subarray(from, from + 1000)),
    );
    expect(results.find(({ ok }) => !ok)).toMatchObject({ refusal: { code: 'request_malformed' } });
  });

  it('reads any bytes without an error of its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(typeof read(bytes).ok).toBe('boolean');
      }),
    );
  });
});
