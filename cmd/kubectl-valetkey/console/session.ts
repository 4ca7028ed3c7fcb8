import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** What one process of the console knows and nothing else does. */
export type Session = {
  /** 256 random bits, base64url; the first segment of every path. */
  readonly key: string;
  readonly isKey: (given: string) => boolean;
  /** Proof that a page of this session contained a form for this path and this object. */
  readonly buildCsrfToken: (form: FormTarget) => string;
  readonly isCsrfToken: (given: string, form: FormTarget) => boolean;
};

/** `path` is below the key; `uid` of the object that the form is about, empty if it creates one. */
export type FormTarget = { readonly path: string; readonly uid: string };

const KEY_BYTES = 32;

/** Creates a session with new random keys. */
export const createSession = (): Session => {
  const key = randomBytes(KEY_BYTES).toString('base64url');
  const secret = randomBytes(KEY_BYTES);
  const buildCsrfToken = ({ path, uid }: FormTarget): string =>
    createHmac('sha256', secret)
      .update(JSON.stringify([path, uid]))
      .digest('base64url');
  return {
    key,
    isKey: (given) => isEqual(given, key),
    buildCsrfToken,
    isCsrfToken: (given, form) => isEqual(given, buildCsrfToken(form)),
  };
};

/** Takes the same time for every text. */
const isEqual = (one: string, other: string): boolean => timingSafeEqual(hash(one), hash(other));

const hash = (text: string): Buffer => createHash('sha256').update(text).digest();
