import { renderInt32, renderMessage, renderText } from './messages.ts';

/** What identifies a session to `CancelRequest`. */
export type BackendKey = { readonly pid: number; readonly secret: number };

/** The first packet of a connection. */
export type StartupPacket =
  /**
   * TLS or GSSAPI: answered with the byte `N`, since a socket or the loopback is the protection. The client
   * sends another first packet.
   */
  | { readonly kind: 'encryption' }
  | { readonly kind: 'cancel'; readonly key: BackendKey }
  | {
      readonly kind: 'startup';
      /** Parameters of the session; without `user` and `database`, which the run decides. */
      readonly parameters: ReadonlyMap<string, string>;
      /** What the client asks for; empty: nothing. */
      readonly user: string;
      readonly database: string;
      /** What the server does not speak: to be stated in {@link renderNegotiation}. */
      readonly negotiation?: { readonly options: readonly string[] };
    };

export type StartupRefusal = { readonly sqlState: string; readonly message: string };

export type StartupResult =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'refused'; readonly refusal: StartupRefusal }
  | { readonly kind: 'read'; readonly packet: StartupPacket };

/** As PostgreSQL's own limit (`MAX_STARTUP_PACKET_LENGTH`). */
const MAX_STARTUP_BYTES = 10_000;
const SSL_REQUEST = 80877103;
const GSS_REQUEST = 80877104;
const CANCEL_REQUEST = 80877102;
const MAJOR = 3;
const PROTOCOL = MAJOR << 16;
const refuse = (sqlState: string, message: string): StartupResult => ({
  kind: 'refused',
  refusal: { sqlState, message },
});

const malformed = (): StartupResult => refuse('08P01', 'expected a startup packet of protocol 3');

const decoder = new TextDecoder('utf-8', { fatal: true });

/** @returns undefined unless it is pairs of distinct names and values, each ending with NUL, and a NUL */
const readParameters = (bytes: Buffer): Map<string, string> | undefined => {
  let texts: readonly string[];
  try {
    texts = decoder.decode(bytes).split('\0');
  } catch {
    return undefined;
  }
  // The last value's NUL and the final one leave two empty texts.
  if (texts.length % 2 !== 0 || texts.at(-1) !== '' || texts.at(-2) !== '') return undefined;
  const parameters = new Map<string, string>();
  for (let index = 0; index < texts.length - 2; index += 2) {
    const name = texts[index] ?? '';
    if (name === '' || parameters.has(name)) return undefined;
    parameters.set(name, texts[index + 1] ?? '');
  }
  return parameters;
};

const OPTION = '_pq_.';

const readStartup = (minor: number, bytes: Buffer): StartupResult => {
  const given = readParameters(bytes);
  if (given === undefined) return malformed();
  if ([...given.keys()].some((name) => name.toLowerCase() === 'replication')) {
    return refuse('28000', 'replication connections are not part of a task');
  }
  const options = [...given.keys()].filter((name) => name.startsWith(OPTION));
  const parameters = new Map(
    [...given].filter(
      ([name]) => name !== 'user' && name !== 'database' && !options.includes(name),
    ),
  );
  const negotiation = minor > 0 || options.length > 0 ? { negotiation: { options } } : {};
  const [user = '', database = ''] = [given.get('user'), given.get('database')];
  const packet = { kind: 'startup', parameters, user, database, ...negotiation } as const;
  return { kind: 'read', packet };
};

const readPacket = (code: number, body: Buffer): StartupResult => {
  const read = (packet: StartupPacket): StartupResult => ({ kind: 'read', packet });
  if (code === SSL_REQUEST || code === GSS_REQUEST) {
    return body.length === 0 ? read({ kind: 'encryption' }) : malformed();
  }
  if (code === CANCEL_REQUEST) {
    return body.length === 8
      ? read({ kind: 'cancel', key: { pid: body.readInt32BE(0), secret: body.readInt32BE(4) } })
      : malformed();
  }
  return code >>> 16 === MAJOR ? readStartup(code & 0xffff, body) : malformed();
};

/**
 * Reads the first packet of a client. Nothing may follow it before the server answers, so bytes behind it
 * are refused: after a request of encryption they would be read as if they had been protected.
 */
export const readStartupPacket = (bytes: Buffer): StartupResult => {
  if (bytes.length < 4) return { kind: 'incomplete' };
  const length = bytes.readUInt32BE(0);
  if (length < 8 || length > MAX_STARTUP_BYTES) return malformed();
  if (bytes.length < length) return { kind: 'incomplete' };
  if (bytes.length > length) return malformed();
  return readPacket(bytes.readUInt32BE(4), bytes.subarray(8));
};

const renderPacket = (code: number, body: Uint8Array): Buffer =>
  Buffer.concat([renderInt32(body.length + 8), renderInt32(code), body]);

/** Renders the startup packet for the server, with the run's user and the task's database. */
export const renderStartupPacket = (
  parameters: ReadonlyMap<string, string>,
  { user, database }: { user: string; database: string },
): Buffer => {
  const all = [['user', user], ['database', database], ...parameters].flat();
  return renderPacket(PROTOCOL, Buffer.concat([...all.map(renderText), Buffer.from([0])]));
};

/** The request after which a server offers TLS with `S`. */
export const SSL_REQUEST_PACKET = renderPacket(SSL_REQUEST, Buffer.alloc(0));

export const renderCancelRequest = ({ pid, secret }: BackendKey): Buffer =>
  renderPacket(CANCEL_REQUEST, Buffer.concat([renderInt32(pid), renderInt32(secret)]));

/** `NegotiateProtocolVersion`: protocol 3.0, and none of the client's protocol options. */
export const renderNegotiation = ({ options }: { options: readonly string[] }): Buffer =>
  renderMessage(
    'v',
    Buffer.concat([renderInt32(0), renderInt32(options.length), ...options.map(renderText)]),
  );
