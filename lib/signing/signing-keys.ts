import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import { createLruCache } from '../async/lru-cache.ts';
import { formatScope, type CredentialScope } from './canonical.ts';

/** Keys as a cloud issues them, or local keys that only this gateway accepts. */
export type AwsKeys = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
};

/** Signs a text with the key derived for a scope. @returns lower-case hexadecimal */
export type SignText = (keys: AwsKeys, scope: CredentialScope, text: string) => string;

const hmac = (key: string | Uint8Array | KeyObject, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

/**
 * Derives the signing key (IAM User Guide, "Create a signed AWS API request", step 3). A key object signs
 * in an eighth of the time that its bytes take.
 */
const deriveSigningKey = (secret: string, { date, region, service }: CredentialScope): KeyObject =>
  createSecretKey(hmac(hmac(hmac(hmac(`AWS4${secret}`, date), region), service), 'aws4_request'));

/**
 * Creates a signer that derives each key once a day: derivation takes four of the six digests of a
 * request. At most `maxKeys` derived keys are kept.
 */
export const createTextSigner = (maxKeys = 64): SignText => {
  const cache = createLruCache<{ readonly secret: string; readonly key: KeyObject }>(maxKeys);
  const signingKey = (
    { accessKeyId, secretAccessKey }: AwsKeys,
    scope: CredentialScope,
  ): KeyObject => {
    const name = `${accessKeyId}/${formatScope(scope)}`;
    const cached = cache.get(name);
    if (cached?.secret === secretAccessKey) return cached.key;
    const key = deriveSigningKey(secretAccessKey, scope);
    cache.set(name, { secret: secretAccessKey, key });
    return key;
  };
  return (keys, scope, text) =>
    createHmac('sha256', signingKey(keys, scope)).update(text).digest('hex');
};
