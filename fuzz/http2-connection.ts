import { Buffer } from 'node:buffer';

/** RFC 9113, section 3.4, and empty SETTINGS with their acknowledgement. */
const BEGINNING = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from('000000040000000000' + '000000040100000000', 'hex'),
]);

const [DATA, HEADERS] = [0, 1];
const [END_STREAM, END_HEADERS] = [0x1, 0x4];
const MAX_FRAME = 16_384;

const buildFrame = (type: number, flags: number, id: number, payload: Buffer): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(id, 5);
  return Buffer.concat([head, payload]);
};

/** A length of HPACK with a prefix of seven bits (RFC 7541, section 5.1). */
const encodeLength = (length: number): Buffer => {
  if (length < 127) return Buffer.from([length]);
  const bytes = [127];
  let rest = length - 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Buffer.from([...bytes, rest]);
};

const encodeText = (text: string): Buffer => {
  const bytes = Buffer.from(text, 'latin1');
  return Buffer.concat([encodeLength(bytes.length), bytes]);
};

/** Literal fields that are not indexed: any name and value (RFC 7541, section 6.2.2). */
const encodeFields = (fields: readonly (readonly [string, string])[]): Buffer =>
  Buffer.concat(
    fields.flatMap(([name, value]) => [Buffer.from([0]), encodeText(name), encodeText(value)]),
  );

const encodeBody = (id: number, body: Buffer): readonly Buffer[] => {
  const frames: Buffer[] = [];
  for (let at = 0; at < body.length; at += MAX_FRAME) {
    const isLast = at + MAX_FRAME >= body.length;
    const piece = body.subarray(at, at + MAX_FRAME);
    frames.push(buildFrame(DATA, isLast ? END_STREAM : 0, id, piece));
  }
  return frames;
};

/** Of the head of HTTP/1.1, names as they are. */
const readFields = (lines: readonly string[]): readonly (readonly [string, string])[] =>
  lines.map((line) => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
  });

/**
 * Writes a request of HTTP/1.1 as frames of HTTP/2: the same method, target, fields and body, whether
 * HTTP/2 allows them or not. `host` becomes `:authority`, beside it where it is repeated.
 */
const encodeRequest = (bytes: Buffer, id: number): Buffer => {
  const end = bytes.indexOf('\r\n\r\n');
  const head = bytes.toString('latin1', 0, end < 0 ? bytes.length : end);
  const body = end < 0 ? Buffer.alloc(0) : bytes.subarray(end + 4);
  const [line = '', ...lines] = head.split('\r\n');
  const [method = '', target = ''] = line.split(' ');
  const fields = readFields(lines);
  const host = fields.findIndex(([name]) => name === 'host');
  const block = encodeFields([
    [':method', method],
    [':scheme', 'http'],
    [':path', target],
    ...(host < 0 ? [] : [[':authority', fields[host]?.[1] ?? ''] as const]),
    ...fields.filter((_, index) => index !== host),
  ]);
  if (block.length > MAX_FRAME) return Buffer.alloc(0);
  const flags = END_HEADERS | (body.length === 0 ? END_STREAM : 0);
  return Buffer.concat([buildFrame(HEADERS, flags, id, block), ...encodeBody(id, body)]);
};

/** Writes requests of HTTP/1.1 as one connection of HTTP/2 on which all are open at once. */
export const encodeConnection = (requests: readonly Buffer[]): Buffer =>
  Buffer.concat([
    BEGINNING,
    ...requests.map((bytes, index) => encodeRequest(bytes, 2 * index + 1)),
  ]);
