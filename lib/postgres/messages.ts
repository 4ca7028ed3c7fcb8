/** Frontend/backend protocol 3.0 of PostgreSQL ("Message Formats"): what the gateway reads and writes itself. */

/** One message of a server: its type and what follows the length. */
export type ServerMessage = { readonly type: string; readonly payload: Buffer };

/** Before the session is piped, no message of a server is longer. */
const MAX_MESSAGE_BYTES = 64 * 1024;

const HEADER = 5;

/**
 * Takes the first whole message from what a server sent.
 *
 * @returns undefined if it is not complete yet
 * @throws Error if its length is impossible
 */
export const takeServerMessage = (
  bytes: Buffer,
): { readonly message: ServerMessage; readonly rest: Buffer } | undefined => {
  if (bytes.length < HEADER) return undefined;
  const length = bytes.readUInt32BE(1);
  if (length < 4 || length > MAX_MESSAGE_BYTES) {
    throw new Error(`PostgreSQL message: expected 4 to ${MAX_MESSAGE_BYTES} bytes, got ${length}`);
  }
  const end = length + 1;
  if (bytes.length < end) return undefined;
  const payload = bytes.subarray(HEADER, end);
  return {
    message: { type: String.fromCharCode(bytes.readUInt8(0)), payload },
    rest: bytes.subarray(end),
  };
};

/** Renders a message of either side. */
export const renderMessage = (type: string, payload: Uint8Array): Buffer => {
  const header = Buffer.alloc(HEADER);
  header.write(type, 'latin1');
  header.writeUInt32BE(payload.length + 4, 1);
  return Buffer.concat([header, payload]);
};

/** A text as the protocol writes it: UTF-8 and NUL. */
export const renderText = (text: string): Buffer => {
  if (text.includes('\0')) throw new Error('PostgreSQL message: expected text without NUL');
  return Buffer.from(`${text}\0`);
};

export const renderInt32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

/**
 * Renders a fatal error, after which the connection is closed.
 *
 * @param sqlState five characters ("PostgreSQL Error Codes")
 */
export const renderFatalError = ({
  sqlState,
  message,
}: {
  sqlState: string;
  message: string;
}): Buffer => {
  const fields = [
    ['S', 'FATAL'],
    ['V', 'FATAL'],
    ['C', sqlState],
    ['M', message],
  ].map(([code = '', text = '']) => renderText(`${code}${text}`));
  return renderMessage('E', Buffer.concat([...fields, Buffer.from([0])]));
};
