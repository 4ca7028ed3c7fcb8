import type { Socket } from 'node:net';
import { renderInt32, renderMessage } from '../../postgres/messages.ts';
import { readStartupPacket, type StartupPacket } from '../../postgres/startup.ts';
import type { CallRefusal } from '../../calls/call-refusals.ts';

/** Why a client gets no session, or that it has gone. */
export type StartupEnd = CallRefusal | 'client_closed';

type Read<T> =
  { readonly kind: 'read'; readonly value: T } | { readonly kind: 'end'; readonly end: StartupEnd };

const STARTUP_TIMEOUT_MS = 5_000;
/** SSLRequest and GSSENCRequest, each once. */
const MAX_ENCRYPTION_REQUESTS = 2;
const CLEARTEXT_PASSWORD = 3;
/** Of a password message: longer than any token. */
const MAX_PASSWORD_BYTES = 4_096;

const malformed = (message: string): StartupEnd => ({ code: 'request_malformed', message });

/**
 * Reads from a client until `parse` returns something. The socket is paused then.
 *
 * @param parse undefined: more bytes are needed
 */
const readUntil = <T>(
  socket: Socket,
  parse: (bytes: Buffer) => Read<T> | undefined,
  timeoutMs: number,
): Promise<Read<T>> =>
  new Promise((resolve) => {
    let bytes = Buffer.alloc(0);
    const end = (result: Read<T>): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('close', onClose).off('end', onClose).pause();
      resolve(result);
    };
    const onClose = (): void => end({ kind: 'end', end: 'client_closed' });
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const result = parse(bytes);
      if (result !== undefined) end(result);
    };
    const onTimeout = (): void =>
      end({ kind: 'end', end: malformed(`expected a login within ${timeoutMs / 1000} s`) });
    const timer = setTimeout(onTimeout, timeoutMs).unref();
    if (socket.destroyed) {
      onClose();
      return;
    }
    socket.on('data', onData).once('close', onClose).once('end', onClose).resume();
  });

const parseStartup = (bytes: Buffer): Read<StartupPacket> | undefined => {
  const result = readStartupPacket(bytes);
  if (result.kind === 'incomplete') return undefined;
  if (result.kind === 'read') return { kind: 'read', value: result.packet };
  return { kind: 'end', end: malformed(result.refusal.message) };
};

/** Reads `PasswordMessage`: one text with NUL at its end. */
const parsePassword = (bytes: Buffer): Read<string> | undefined => {
  if (bytes.length < 5) return undefined;
  const length = bytes.readUInt32BE(1);
  const isPassword = bytes.toString('latin1', 0, 1) === 'p' && length <= MAX_PASSWORD_BYTES;
  if (!isPassword || length < 5) return { kind: 'end', end: malformed('expected a password') };
  if (bytes.length < length + 1) return undefined;
  const isWhole = bytes.length === length + 1 && bytes.at(-1) === 0;
  if (!isWhole) return { kind: 'end', end: malformed('expected a password and nothing after it') };
  return { kind: 'read', value: bytes.toString('utf8', 5, bytes.length - 1) };
};

/** Reads the first packet of a client that is no request of encryption: those are answered with `N`. */
export const readClientStartup = async (
  socket: Socket,
  timeoutMs = STARTUP_TIMEOUT_MS,
): Promise<Read<Exclude<StartupPacket, { kind: 'encryption' }>>> => {
  for (let requests = 0; requests <= MAX_ENCRYPTION_REQUESTS; requests += 1) {
    const read = await readUntil(socket, parseStartup, timeoutMs);
    if (read.kind === 'end') return read;
    const { value } = read;
    if (value.kind !== 'encryption') return { kind: 'read', value };
    socket.write('N');
  }
  return { kind: 'end', end: malformed('expected a startup packet') };
};

/** Asks a client on loopback for its password. */
export const readClientPassword = (socket: Socket): Promise<Read<string>> => {
  socket.write(renderMessage('R', renderInt32(CLEARTEXT_PASSWORD)));
  return readUntil(socket, parsePassword, STARTUP_TIMEOUT_MS);
};
