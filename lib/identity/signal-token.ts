import { createHash } from 'node:crypto';
import { decodeJwt, errors, jwtVerify, type JWTPayload } from 'jose';
import { SIGNAL_TYPE, type SIGNAL_ERRORS } from '../contract/authority-api.ts';
import type { SignalTransmitter } from '../contract/platform.ts';
import { formatValue } from '../schema/field-error.ts';
import { createJwksCache, type FetchJwks, type FindKey } from './jwks-cache.ts';
import { SIGNATURE_ALGORITHMS } from './signed-token.ts';
import { IdentityError } from './workload.ts';

/** Why a signal has no effect. */
export class SignalError extends Error {
  override readonly name = 'SignalError';
  /** RFC 8935, section 2.4; `unavailable`: the transmitter repeats it. */
  readonly code: (typeof SIGNAL_ERRORS)[number] | 'unavailable';

  constructor(code: SignalError['code'], message: string, options: { cause?: unknown } = {}) {
    super(message, options);
    this.code = code;
  }
}

/** A security event token (RFC 8417) whose signature and registered claims are valid. */
export type SignalToken = {
  /** Issuer of the transmitter. */
  readonly transmitter: string;
  /** SHA-256, hex, of the issuer and the `jti`. */
  readonly digest: string;
  /** When its age lets it be refused; milliseconds since the epoch. */
  readonly expiresAt: number;
  readonly claims: JWTPayload;
};

export type SignalVerifierDeps = {
  readonly transmitters: readonly SignalTransmitter[];
  /** Returns the function that fetches the JWKS of one transmitter. */
  readonly fetchJwks: (transmitter: SignalTransmitter) => FetchJwks;
  /** Wall-clock milliseconds since the epoch. */
  readonly now: () => number;
  readonly monotonic: () => number;
};

/** Verifies a signal. It does not consume it. @throws SignalError */
export type SignalVerifier = (token: string) => Promise<SignalToken>;

/** Transmitters repeat what could not be delivered; older signals are about sessions that have ended. */
const MAX_AGE_SECONDS = 3600;
const SKEW_SECONDS = 30;
const REQUIRED = ['iss', 'aud', 'iat', 'jti', 'events'];
const MAX_JTI_LENGTH = 255;
/**
 * Of one transmitter, at the same time. A forged token that names it waits for its keys, so that these
 * are limits of their own: a transmitter whose keys hang stops neither others nor the tokens of pods.
 */
const MAX_VERIFICATIONS = 16;

/** Creates the verifier of signals of the listed transmitters. */
export const createSignalVerifier = ({
  transmitters,
  fetchJwks,
  now,
  monotonic,
}: SignalVerifierDeps): SignalVerifier => {
  const listed = new Map(
    transmitters.map((transmitter) => {
      const findKey = createJwksCache({
        fetchJwks: fetchJwks(transmitter),
        monotonic,
        code: 'keys_unavailable',
      });
      const limit = createConcurrencyLimit();
      return [transmitter.issuer, { transmitter, findKey, limit }] as const;
    }),
  );
  return async (token) => {
    const issuer = readIssuer(token);
    const found = typeof issuer === 'string' ? listed.get(issuer) : undefined;
    if (found === undefined) {
      const message = `expected a listed issuer, got ${formatValue(issuer)}`;
      throw new SignalError('invalid_issuer', message);
    }
    const claims = await found.limit(() => verifyClaims(token, { ...found, now }));
    const { jti = '', iat = 0 } = claims;
    if (jti === '' || jti.length > MAX_JTI_LENGTH) {
      const message = `jti: expected 1 to ${MAX_JTI_LENGTH} characters`;
      throw new SignalError('invalid_request', message);
    }
    return {
      transmitter: found.transmitter.issuer,
      digest: createHash('sha256').update(`${found.transmitter.issuer}\n${jti}`).digest('hex'),
      expiresAt: (iat + MAX_AGE_SECONDS) * 1000,
      claims,
    };
  };
};

const createConcurrencyLimit = () => {
  let running = 0;
  return async <T>(verify: () => Promise<T>): Promise<T> => {
    if (running >= MAX_VERIFICATIONS) {
      throw new SignalError('unavailable', 'too many signals are being verified; push again');
    }
    running += 1;
    return verify().finally(() => (running -= 1));
  };
};

/** Selects the keys to verify with. The signature, verified later, covers the value. */
const readIssuer = (token: string): unknown => {
  try {
    return decodeJwt(token).iss;
  } catch (cause) {
    throw new SignalError('invalid_request', 'expected a signed security event token', { cause });
  }
};

const verifyClaims = async (
  token: string,
  {
    transmitter: { issuer, audience },
    findKey,
    now,
  }: {
    readonly transmitter: SignalTransmitter;
    readonly findKey: FindKey;
    readonly now: () => number;
  },
): Promise<JWTPayload> => {
  try {
    const { payload } = await jwtVerify(token, findKey, {
      algorithms: [...SIGNATURE_ALGORITHMS],
      typ: SIGNAL_TYPE,
      issuer,
      audience,
      requiredClaims: REQUIRED,
      clockTolerance: SKEW_SECONDS,
      maxTokenAge: MAX_AGE_SECONDS,
      currentDate: new Date(now()),
    });
    return payload;
  } catch (error) {
    throw toSignalError(error);
  }
};

const toSignalError = (error: unknown): unknown => {
  if (error instanceof IdentityError) {
    const message = 'the keys of the transmitter could not be fetched';
    return new SignalError('unavailable', message, { cause: error });
  }
  if (!(error instanceof errors.JOSEError)) return error;
  const [code, message] = describeError(error);
  return new SignalError(code, message, { cause: error });
};

/** Without a value of the token: it may be forged. */
const describeError = (error: errors.JOSEError): readonly [SignalError['code'], string] => {
  if (error instanceof errors.JWTExpired) {
    return ['invalid_request', `expected an iat within ${MAX_AGE_SECONDS} s, and no past exp`];
  }
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'aud') {
      return ['invalid_audience', 'aud: expected that of the transmitter'];
    }
    return ['invalid_request', `${error.claim}: expected a valid value`];
  }
  if (error instanceof errors.JWSSignatureVerificationFailed) {
    return ['authentication_failed', 'expected a signature by the transmitter'];
  }
  return KEY_CODES.has(error.code)
    ? ['invalid_key', 'expected a key that the transmitter publishes, and an accepted algorithm']
    : ['invalid_request', 'expected a signed security event token'];
};

const KEY_CODES: ReadonlySet<string> = new Set([
  ...['ERR_JOSE_ALG_NOT_ALLOWED', 'ERR_JOSE_NOT_SUPPORTED'],
  ...['ERR_JWKS_NO_MATCHING_KEY', 'ERR_JWKS_MULTIPLE_MATCHING_KEYS'],
]);
