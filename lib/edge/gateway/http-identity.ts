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
  const { scheme, rest } = splitCredentials(value);
  if (scheme === 'bearer') return rest;
  return scheme === 'basic' ? readPassword(rest) : '';
};

const splitCredentials = (value: string): { readonly scheme: string; readonly rest: string } => {
  const [, scheme = '', rest = ''] = /^(\w+) +(.*)$/.exec(value) ?? [];
  return { scheme: scheme.toLowerCase(), rest };
};

/** A URL with a user, given to an agent's tool, becomes Basic: the tool's own author knows no key. */
const isBasic = (name: string, value: string): boolean =>
  name === 'authorization' && splitCredentials(value).scheme === 'basic';

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

/**
 * Creates the test whether a request holds the fixed key, in the header of a client's key or as Bearer, never in
 * Basic.
 */
export const createFixedKeyTest = (
  fixedKey: string,
): ((headers: ReadonlyMap<string, string>) => boolean) => {
  const expected = digest(fixedKey);
  return (headers) =>
    LOCAL_TOKEN_HEADERS.filter((name) => {
      const value = headers.get(name);
      const given = value === undefined || isBasic(name, value) ? '' : readToken(name, value);
      return timingSafeEqual(expected, digest(given));
    }).length > 0;
};
