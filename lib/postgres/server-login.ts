import { renderInt32, renderMessage, renderText, type ServerMessage } from './messages.ts';
import type { ScramClient } from './scram.ts';
import type { BackendKey } from './startup.ts';

/** What one message of the server leads to. */
export type LoginStep = {
  /** For the server. */
  readonly send?: Buffer;
  /** For the client. */
  readonly forward?: Buffer;
  /** Of the session, for its cancel requests. */
  readonly key?: BackendKey;
  /** `ready`: from now on both sides are piped; `failed`: both are closed. */
  readonly end?: 'ready' | 'failed';
};

const AUTHENTICATION = { ok: 0, sasl: 10, saslContinue: 11, saslFinal: 12 };

/** Mechanisms of an `AuthenticationSASL` message; none for another message. */
export const listMechanisms = ({ type, payload }: ServerMessage): readonly string[] =>
  type === 'R' && payload.length > 4 && payload.readInt32BE(0) === AUTHENTICATION.sasl
    ? payload.subarray(4).toString('utf8').split('\0')
    : [];

/**
 * Creates the login of one session at the server, on behalf of a client that does not know the password. The
 * client sees that it is authenticated, and what follows.
 *
 * @returns a function of each message of the server, up to `ReadyForQuery`. It throws an Error when the
 *   server does not prove by SCRAM that it is the server: a login without a proof could be one anywhere
 */
export const createServerLogin = (scram: ScramClient): ((message: ServerMessage) => LoginStep) => {
  let expected = AUTHENTICATION.sasl;

  const authenticate = (payload: Buffer): LoginStep => {
    const kind = payload.length < 4 ? -1 : payload.readInt32BE(0);
    const text = payload.subarray(4).toString('utf8');
    if (kind !== expected) {
      throw new Error(`PostgreSQL login: expected SCRAM step ${expected}, got ${kind}`);
    }
    if (kind === AUTHENTICATION.sasl) {
      if (!text.split('\0').includes(scram.mechanism)) {
        throw new Error(`PostgreSQL login: the server does not offer ${scram.mechanism}`);
      }
      expected = AUTHENTICATION.saslContinue;
      const first = Buffer.from(scram.clientFirst);
      const parts = [renderText(scram.mechanism), renderInt32(first.length), first];
      return { send: renderMessage('p', Buffer.concat(parts)) };
    }
    if (kind === AUTHENTICATION.saslContinue) {
      expected = AUTHENTICATION.saslFinal;
      return { send: renderMessage('p', Buffer.from(scram.getClientFinal(text))) };
    }
    if (kind === AUTHENTICATION.saslFinal) {
      if (!scram.isServerFinal(text)) {
        throw new Error('PostgreSQL login: the server does not know the password');
      }
      expected = AUTHENTICATION.ok;
      return {};
    }
    expected = Number.NaN;
    return { forward: renderMessage('R', renderInt32(AUTHENTICATION.ok)) };
  };

  return ({ type, payload }) => {
    const forward = renderMessage(type, payload);
    if (type === 'R') return authenticate(payload);
    if (type === 'E') return { forward, end: 'failed' };
    if (type === 'N') return { forward };
    // Nothing but errors before the proof: it would be another server's.
    if (!Number.isNaN(expected)) throw new Error('PostgreSQL login: expected authentication first');
    if (type === 'Z') return { forward, end: 'ready' };
    if (type === 'K' && payload.length === 8) {
      return { forward, key: { pid: payload.readInt32BE(0), secret: payload.readInt32BE(4) } };
    }
    return { forward };
  };
};
