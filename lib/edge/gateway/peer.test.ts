import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { endianness, tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, describe, expect, it } from '@jest/globals';

import fc from '../../../test/kit/fast-check.ts';
import { findPeerUid, findSocketUid, printPeerEnds } from './peer.ts';
import { testPeerCheck } from './peer-self-test.ts';

const folder = mkdtempSync(join(tmpdir(), 'valetkey-peer-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HEADER_V4 =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     ';
const HEADER_V6 =
  '  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';

type Row = { readonly ends: string; readonly state?: string; readonly uid?: number };

/** A row as Linux 6.12 printed it, with other ends, state and user. */
const printRow = ({ ends, state = '01', uid = 1000 }: Row, index = 0): string =>
  `${`${index}`.padStart(4)}: ${ends} ${state} 00000000:00000000 00:00000000 00000000 ${`${uid}`.padStart(5)}        0 99223 1 000000008d4c807b 100 0 0 10 0                     `;

const connection = {
  remoteAddress: '127.0.0.1',
  remotePort: 50_000,
  localAddress: '127.0.0.1',
  localPort: 9473,
};
const [ENDS = '', MAPPED_ENDS = ''] = printPeerEnds(connection);
const OTHER = '0100007F:C351 0100007F:2501';

const writeTable = (name: string, lines: readonly string[]): string => {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
  return path;
};

describe('printPeerEnds', () => {
  it('prints both forms that a table of a little-endian machine can have', () => {
    expect(endianness()).toBe('LE');
    expect([ENDS, MAPPED_ENDS]).toEqual([
      '0100007F:C350 0100007F:2501',
      '0000000000000000FFFF00000100007F:C350 0000000000000000FFFF00000100007F:2501',
    ]);
  });

  it('prints a mapped address as that of IPv4, and ::1 as itself', () => {
    const mapped = { remoteAddress: '::ffff:127.0.0.1', localAddress: '::ffff:127.0.0.1' };
    expect(printPeerEnds({ ...connection, ...mapped })).toEqual([ENDS, MAPPED_ENDS]);
    expect(printPeerEnds({ ...connection, remoteAddress: '::1', localAddress: '::1' })).toEqual([
      '00000000000000000000000001000000:C350 00000000000000000000000001000000:2501',
    ]);
  });

  it.each([
    ['a closed connection', { remoteAddress: undefined, remotePort: undefined }],
    ['a name', { remoteAddress: 'localhost' }],
    ['a number too large', { remoteAddress: '127.0.0.256' }],
    ['another address of IPv6', { remoteAddress: 'fe80::1' }],
    ['ends of different families', { remoteAddress: '::1' }],
  ])('prints nothing for %s', (_what, change) => {
    expect(printPeerEnds({ ...connection, ...change })).toEqual([]);
  });
});

describe('findSocketUid', () => {
  const ends = [ENDS, MAPPED_ENDS];

  it.each([
    ['IPv4', HEADER_V4, ENDS],
    ['IPv6', HEADER_V6, MAPPED_ENDS],
  ])('finds the user in the table of %s', (_family, header, own) => {
    const rows = [
      { ends: OTHER, uid: 7 },
      { ends: own, uid: 4_294_967_294 },
    ];
    expect(findSocketUid([header, ...rows.map(printRow)], ends)).toBe(4_294_967_294);
  });

  it.each([
    ['the ends are those of the other side', { ends: ENDS.split(' ').reverse().join(' ') }],
    ['the socket is closing', { ends: ENDS, state: '06' }],
    ['the port is another', { ends: OTHER }],
    ['the user is no number of 32 bits', { ends: ENDS, uid: 4_294_967_296 }],
  ])('finds none if %s', (_why, row) => {
    expect(findSocketUid([HEADER_V4, printRow(row)], ends)).toBeUndefined();
  });

  it.each([
    ['text', 'not a table'],
    ['an empty line', ''],
    ['a row without a user', printRow({ ends: ENDS }).slice(0, 80)],
    ['a row with a negative user', printRow({ ends: ENDS, uid: -1 })],
    ['a row whose user begins with 0', printRow({ ends: ENDS }).replace(' 1000 ', '01000 ')],
    ['a row with more before it', `x${printRow({ ends: ENDS })}`],
  ])('refuses a table with %s', (_what, line) => {
    expect(() => findSocketUid([HEADER_V4, line], ends)).toThrow('row');
  });

  it('finds the user of exactly the row with these ends, whatever the others are', () => {
    const port = fc.integer({ min: 1, max: 65_535 });
    const pair = fc.tuple(port, port).map(([own, other]) => {
      const print = (each: number) =>
        `0100007F:${each.toString(16).toUpperCase().padStart(4, '0')}`;
      return `${print(own)} ${print(other)}`;
    });
    const row = fc.record({
      ends: pair.filter((each) => each !== ENDS),
      state: fc.constantFrom('01', '02', '06', '0A'),
      uid: fc.integer({ min: 0, max: 65_534 }),
    });
    fc.assert(
      fc.property(fc.array(row), fc.array(row), fc.nat(4_294_967_295), (before, after, uid) => {
        const lines = [HEADER_V4, ...[...before, { ends: ENDS, uid }, ...after].map(printRow)];
        expect(findSocketUid(lines, ends)).toBe(uid);
        expect(findSocketUid([HEADER_V4, ...[...before, ...after].map(printRow)], ends)).toBe(
          undefined,
        );
      }),
    );
  });

  it('takes no user from lines that are anything else', () => {
    const valid = printRow({ ends: ENDS });
    const damaged = fc
      .tuple(fc.nat(valid.length - 1), fc.string({ minLength: 1, maxLength: 3 }))
      .map(([at, text]) => `${valid.slice(0, at)}${text}${valid.slice(at + 1)}`);
    fc.assert(
      fc.property(fc.oneof(fc.string(), damaged), (line) => {
        let found: number | undefined;
        try {
          found = findSocketUid([line], ends);
        } catch {
          return;
        }
        // Whatever was understood has the form of a row, with exactly these ends and an established connection.
        if (found !== undefined)
          expect(line).toMatch(new RegExp(`^ *\\d+: ${ENDS} 01 .* ${found} `));
      }),
      { numRuns: 2_000 },
    );
  });
});

describe('findPeerUid', () => {
  it('searches the second table too, across the parts in which it is read', async () => {
    const many = Array.from({ length: 500 }, (_, index) => printRow({ ends: OTHER }, index));
    const first = writeTable('first', [HEADER_V4, ...many]);
    const row = printRow({ ends: MAPPED_ENDS, uid: 1234 });
    const second = writeTable('second', [HEADER_V6, ...many, row, ...many]);
    expect(await findPeerUid(connection, [first, second])).toBe(1234);
  });

  it.each([
    ['has no such socket', [HEADER_V4, printRow({ ends: OTHER })]],
    ['is empty', []],
    ['is not understood', [HEADER_V4, 'something else', printRow({ ends: ENDS })]],
    ['has a line that is too long', [`${' '.repeat(40_000)}x`, printRow({ ends: ENDS })]],
    [
      'is too long',
      [
        HEADER_V4,
        ...Array.from({ length: 30_000 }, () => printRow({ ends: OTHER })),
        printRow({ ends: ENDS }),
      ],
    ],
  ])('is not certain if the table %s', async (what, lines) => {
    expect(await findPeerUid(connection, [writeTable(what, lines)])).toBeUndefined();
  });

  it('is not certain without a table, and of a closed connection', async () => {
    expect(await findPeerUid(connection, [join(folder, 'missing')])).toBeUndefined();
    const table = writeTable('known', [HEADER_V4, printRow({ ends: ENDS })]);
    const closed = { ...connection, remoteAddress: undefined, remotePort: undefined };
    expect(await findPeerUid(closed, [table])).toBeUndefined();
  });

  it('finds this process at the other end of a real connection, and no one once it is closed', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const accepting = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const client = connect({ host: '127.0.0.1', port });
    const accepted = await accepting;
    expect(await findPeerUid(accepted)).toBe(process.getuid?.());
    const closed = new Promise((resolve) => accepted.once('close', resolve));
    client.destroy();
    accepted.destroy();
    await closed;
    expect(await findPeerUid(accepted)).toBeUndefined();
    server.close();
  });
});

describe('testPeerCheck', () => {
  const ownUid = process.getuid?.() ?? 0;

  it('passes on Linux, and reads the user that is shown for unknown ones', async () => {
    const file = writeTable('overflowuid', ['65534']);
    expect(await testPeerCheck({ findPeerUid, ownUid }, file)).toEqual({
      works: true,
      overflowUid: 65_534,
    });
  });

  it.each([
    ['another user', () => Promise.resolve(ownUid + 1), `got ${ownUid + 1}`],
    ['no user', () => Promise.resolve(undefined), 'got none'],
    ['an error', () => Promise.reject(new Error('broken')), 'broken'],
  ])('fails where the kernel shows %s', async (_what, find, why) => {
    const file = writeTable('overflowuid', ['65534']);
    const check = await testPeerCheck({ findPeerUid: find, ownUid }, file);
    expect(check).toMatchObject({ works: false, why: expect.stringContaining(why) });
  });

  it.each([
    ['is missing', join(folder, 'absent'), 'ENOENT'],
    ['holds no number', writeTable('broken', ['many']), 'expected a number'],
  ])('fails if the file of the overflow user %s', async (_what, file, why) => {
    const check = await testPeerCheck({ findPeerUid, ownUid }, file);
    expect(check).toMatchObject({ works: false, why: expect.stringContaining(why) });
  });
});
