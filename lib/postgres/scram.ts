import { createHash, createHmac, pbkdf2Sync, timingSafeEqual } from 'node:crypto';

/** Of a run's random password: stretching adds nothing to 256 random bits. PostgreSQL's own default. */
const ITERATIONS = 4096;
/** Most that a server may ask for: it chooses how long the client computes. */
const MAX_ITERATIONS = 100_000;
const LENGTH = 32;

const hmac = (key: Uint8Array, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

type Salting = { readonly salt: Uint8Array; readonly iterations: number };

/** RFC 5802, section 3. */
const deriveKeys = (password: string, { salt, iterations }: Salting) => {
  const salted = pbkdf2Sync(password, salt, iterations, LENGTH, 'sha256');
  const clientKey = hmac(salted, 'Client Key');
  return { clientKey, storedKey: sha256(clientKey), serverKey: hmac(salted, 'Server Key') };
};

/**
 * Builds the verifier that PostgreSQL stores in place of a password. It does not let its reader log in.
 *
 * @param password of ASCII characters, so that SASLprep (RFC 4013) changes nothing
 * @param salt 16 random bytes
 */
export const buildScramVerifier = (password: string, salt: Uint8Array): string => {
  const { storedKey, serverKey } = deriveKeys(password, { salt, iterations: ITERATIONS });
  const salt64 = Buffer.from(salt).toString('base64');
  const keys = `${storedKey.toString('base64')}:${serverKey.toString('base64')}`;
  return `SCRAM-SHA-256$${ITERATIONS}:${salt64}$${keys}`;
};

export type ScramClient = {
  readonly mechanism: 'SCRAM-SHA-256' | 'SCRAM-SHA-256-PLUS';
  readonly clientFirst: string;
  /** @throws Error if the server's message is not one of SCRAM */
  readonly getClientFinal: (serverFirst: string) => string;
  /** Whether the server has the verifier: it is the server, and no other that answers in its place. */
  readonly isServerFinal: (serverFinal: string) => boolean;
};

const SERVER_FIRST = /^r=([\x21-\x2b\x2d-\x7e]+),s=([A-Za-z0-9+/]+=*),i=([1-9][0-9]{0,8})$/;

const xor = (one: Buffer, other: Buffer): Buffer =>
  Buffer.from(one.map((byte, index) => byte ^ (other[index] ?? 0)));

const parseServerFirst = (text: string, clientNonce: string): Salting & { nonce: string } => {
  const [, nonce = '', salt = '', count = ''] = SERVER_FIRST.exec(text) ?? [];
  const iterations = Number(count);
  if (!nonce.startsWith(clientNonce) || nonce.length === clientNonce.length) {
    throw new Error('SCRAM: expected the client’s nonce and more from the server');
  }
  if (iterations < ITERATIONS || iterations > MAX_ITERATIONS) {
    throw new Error(`SCRAM: expected ${ITERATIONS} to ${MAX_ITERATIONS} iterations`);
  }
  return { nonce, salt: Buffer.from(salt, 'base64'), iterations };
};

/**
 * Creates the client's side of one login (RFC 5802, RFC 7677). PostgreSQL takes the user from the startup
 * packet, so the user here is empty.
 *
 * @param nonce random, printable ASCII without a comma
 * @param channelBinding `tls-server-end-point` (RFC 5929): hash of the server's certificate; absent: the
 *   server did not offer `-PLUS`
 */
export const createScramClient = (
  { password, nonce }: { password: string; nonce: string },
  channelBinding?: Uint8Array,
): ScramClient => {
  const header = channelBinding === undefined ? 'n,,' : 'p=tls-server-end-point,,';
  const bare = `n=,r=${nonce}`;
  let expected: Buffer | undefined;

  const getClientFinal = (serverFirst: string): string => {
    const { nonce: full, ...salting } = parseServerFirst(serverFirst, nonce);
    const binding = Buffer.concat([Buffer.from(header), channelBinding ?? Buffer.alloc(0)]);
    const withoutProof = `c=${binding.toString('base64')},r=${full}`;
    const message = `${bare},${serverFirst},${withoutProof}`;
    const { clientKey, storedKey, serverKey } = deriveKeys(password, salting);
    expected = hmac(serverKey, message);
    return `${withoutProof},p=${xor(clientKey, hmac(storedKey, message)).toString('base64')}`;
  };

  const isServerFinal = (serverFinal: string): boolean => {
    const given = Buffer.from(/^v=([A-Za-z0-9+/]+=*)$/.exec(serverFinal)?.[1] ?? '', 'base64');
    return expected?.length === given.length && timingSafeEqual(expected, given);
  };

  return {
    mechanism: channelBinding === undefined ? 'SCRAM-SHA-256' : 'SCRAM-SHA-256-PLUS',
    clientFirst: `${header}${bare}`,
    getClientFinal,
    isServerFinal,
  };
};
