import { hash, timingSafeEqual } from 'node:crypto';
import { LOCAL_TOKEN_HEADERS } from '../../contract/upstream.ts';

/** @returns the consumer whose loopback token a request holds; undefined for none, and for two */
export type IdentifyClient = (headers: ReadonlyMap<string, string>) => string | undefined;

const digest = (token: string): Buffer => hash('sha256', token, 'buffer');

/** The password of RFC 7617; the user name says nothing. */
const readPassword = (encoded: string): string => {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  return text.slice(text.indexOf(':') + 1);
};

/** Clients put keys into the header of the API that they were made for. */
const readToken = (name: string, value: string): string => {
  if (name !== 'authorization') return value;
  const [, scheme = '', rest = ''] = /^(\w+) +(.*)$/.exec(value) ?? [];
  if (scheme.toLowerCase() === 'bearer') return rest;
  return scheme.toLowerCase() === 'basic' ? readPassword(rest) : '';
};

/**
 * Creates the identification of requests on loopback, which every process in the pod can reach.
 *
 * @param tokens consumer → its loopback token
 */
export const createClientIdentification = (tokens: ReadonlyMap<string, string>): IdentifyClient => {
  const consumers = [...tokens].map(([consumer, token]) => ({ consumer, digest: digest(token) }));
  return (headers) => {
    const given = LOCAL_TOKEN_HEADERS.flatMap((name) => {
      const value = headers.get(name);
      return value === undefined ? [] : [digest(readToken(name, value))];
    });
    // All tokens are compared, so that the time reveals nothing about the tokens.
    const found = consumers.filter(
      (each) => given.filter((one) => timingSafeEqual(each.digest, one)).length > 0,
    );
    return found.length === 1 ? found[0]?.consumer : undefined;
  };
};
