import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  randomBytes,
} from 'node:crypto';

/** Seals texts that pass through others, who can neither read nor change them. */
export type TextSeals = {
  /** @param bound what the text belongs to: it opens with nothing else */
  readonly seal: (text: string, bound: string) => string;
  /** @returns undefined for a text that was not sealed with this key for `bound` */
  readonly open: (sealed: string, bound: string) => string | undefined;
};

const ALGORITHM = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Creates seals: AES-256-GCM with a key derived by HKDF-SHA256 (RFC 5869), as base64url. Every replica opens
 * what another one sealed.
 *
 * @param secret at least 32 bytes that every replica shares
 * @param info purpose and version of the key
 */
export const createTextSeals = (
  { secret, info }: { readonly secret: Uint8Array; readonly info: string },
  random: (size: number) => Buffer = randomBytes,
): TextSeals => {
  const derived = hkdfSync('sha256', secret, new Uint8Array(), info, KEY_BYTES);
  const key = createSecretKey(Buffer.from(derived));
  return {
    seal: (text, bound) => {
      const nonce = random(NONCE_BYTES);
      const cipher = createCipheriv(ALGORITHM, key, nonce, { authTagLength: TAG_BYTES });
      cipher.setAAD(Buffer.from(bound));
      const encrypted = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), encrypted]).toString('base64url');
    },
    open: (sealed, bound) => {
      const bytes = Buffer.from(sealed, 'base64url');
      if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined;
      // One seal has one text: unused bits of the last character would make others of it.
      if (bytes.toString('base64url') !== sealed) return undefined;
      const decipher = createDecipheriv(ALGORITHM, key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(bound));
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      try {
        const opened = decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES), undefined, 'utf8');
        return opened + decipher.final('utf8');
      } catch {
        return undefined;
      }
    },
  };
};
