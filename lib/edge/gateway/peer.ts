import { open, type FileHandle } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { endianness } from 'node:os';

/** The addresses and ports of a connection that this process accepted; undefined once it is closed. */
export type PeerConnection = Pick<
  Socket,
  'remoteAddress' | 'remotePort' | 'localAddress' | 'localPort'
>;

/** @returns the user whose process opened the other end of the connection; undefined if that is not certain */
export type FindPeerUid = (connection: PeerConnection) => Promise<number | undefined>;

/** The tables of TCP sockets in this process's network namespace. `net` is that of the reading process. */
const SOCKET_TABLES = ['/proc/net/tcp', '/proc/net/tcp6'] as const;

/** About 28,000 sockets: all ports of one address. */
const MAX_TABLE_BYTES = 4 * 1024 * 1024;
const READ_BYTES = 16 * 1024;
/** A row has 150 to 180 characters. */
const MAX_LINE_LENGTH = 512;
/** Rows move while a table is read, so that one can be missed. */
const ATTEMPTS = 3;
/** `TCP_ESTABLISHED` of the kernel's tcp_states.h. The owner of a socket that is closing may be gone. */
const ESTABLISHED = '01';

/** Header of both tables, without its spaces. */
const HEADER =
  /^ *sl +local_address +rem(ote)?_address +st +tx_queue rx_queue tr tm->when retrnsmt +uid +timeout +inode *$/;

/** A row as `get_tcp4_sock` of the kernel's tcp_ipv4.c and `get_tcp6_sock` of tcp_ipv6.c print it. */
const ROW =
  /^ *\d+: ((?:[\dA-F]{8}){1,4}:[\dA-F]{4} (?:[\dA-F]{8}){1,4}:[\dA-F]{4}) ([\dA-F]{2}) [\dA-F]{8}:[\dA-F]{8} [\dA-F]{2}:[\dA-F]{8,16} [\dA-F]{8} +(0|[1-9]\d{0,9}) +\d+ \d+ /;

const MAX_UID = 2 ** 32 - 1;

/**
 * Finds the user of the socket with these ends among the lines of a table.
 *
 * @param ends as the table prints them: the socket's own end, then the other
 * @returns undefined if no line is that of the socket
 * @throws Error for a line that is neither the header nor a row: the table is not understood
 */
export const findSocketUid = (
  lines: readonly string[],
  ends: readonly string[],
): number | undefined => {
  for (const line of lines) {
    const row = ROW.exec(line);
    if (row === null) {
      if (HEADER.test(line)) continue;
      throw new Error('expected a row of the table of sockets');
    }
    const [, pair = '', state, uid = ''] = row;
    if (state === ESTABLISHED && ends.includes(pair) && Number(uid) <= MAX_UID) return Number(uid);
  }
  return undefined;
};

/** The kernel prints each 32-bit word of an address in the order of bytes of the machine. */
const printWord = (bytes: readonly number[]): string =>
  Buffer.from(endianness() === 'LE' ? [...bytes].reverse() : bytes)
    .toString('hex')
    .toUpperCase();

const ZERO = '00000000';
const MAPPED = `${ZERO}${ZERO}${printWord([0, 0, 255, 255])}`;
const LOOPBACK_V6 = `${ZERO}${ZERO}${ZERO}${printWord([0, 0, 0, 1])}`;

/** An address in both forms in which a table can have it. */
const printAddress = (address: string): readonly string[] => {
  if (address === '::1') return [LOOPBACK_V6];
  const parts = address.replace(/^::ffff:/, '').split('.');
  if (parts.length !== 4 || !parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256))
    return [];
  const word = printWord(parts.map(Number));
  return [word, `${MAPPED}${word}`];
};

const printPort = (port: number): string => port.toString(16).toUpperCase().padStart(4, '0');

/**
 * The ends of the peer's socket as tables print them: a client may have opened a socket of IPv6 for an address
 * of IPv4.
 *
 * @returns nothing for a closed connection, and for other addresses than those of IPv4 and `::1`
 */
export const printPeerEnds = ({
  remoteAddress,
  remotePort,
  localAddress,
  localPort,
}: PeerConnection): readonly string[] => {
  if (remotePort === undefined || localPort === undefined) return [];
  const local = printAddress(localAddress ?? '');
  return printAddress(remoteAddress ?? '').flatMap((address, form) => {
    const other = local[form];
    return other?.length === address.length
      ? [`${address}:${printPort(remotePort)} ${other}:${printPort(localPort)}`]
      : [];
  });
};

/** @throws Error for a table that is too long, cannot be read or is not understood */
const searchTable = async (path: string, ends: readonly string[]): Promise<number | undefined> => {
  const file = await open(path);
  try {
    return await searchLines(file, ends);
  } finally {
    await file.close();
  }
};

const searchLines = async (
  file: FileHandle,
  ends: readonly string[],
): Promise<number | undefined> => {
  const buffer = Buffer.alloc(READ_BYTES);
  let rest = '';
  let total = 0;
  for (;;) {
    const { bytesRead } = await file.read(buffer, 0, READ_BYTES, null);
    if (bytesRead === 0) return findSocketUid(rest === '' ? [] : [rest], ends);
    total += bytesRead;
    const lines = `${rest}${buffer.toString('latin1', 0, bytesRead)}`.split('\n');
    rest = lines.pop() ?? '';
    if (total > MAX_TABLE_BYTES || rest.length > MAX_LINE_LENGTH) {
      throw new Error('expected a shorter table of sockets');
    }
    const found = findSocketUid(lines, ends);
    if (found !== undefined) return found;
  }
};

/**
 * Finds the user of a connection's peer in the tables of sockets, by both addresses and both ports. Anything
 * unexpected (a connection that closes meanwhile, a table that is missing, too long or not understood) finds none.
 *
 * @param tables for tests
 */
export const findPeerUid = async (
  connection: PeerConnection,
  tables: readonly string[] = SOCKET_TABLES,
): Promise<number | undefined> => {
  try {
    for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
      const ends = printPeerEnds(connection);
      if (ends.length === 0) return undefined;
      for (const table of tables) {
        const found = await searchTable(table, ends);
        if (found !== undefined) return found;
      }
    }
  } catch {
    // Not known: the caller refuses.
  }
  return undefined;
};
