import {
  createRemoteJWKSet,
  customFetch,
  decodeJwt,
  errors,
  jwtVerify,
  type JWTPayload,
} from 'jose';
import { CloudError } from '../cloud-error.ts';
import type { IdentityProvider } from '../cloud-plan.ts';
import { createDocumentFetch } from './provider-documents.ts';

/** Who holds a token, once its signature, issuer, audience and time were found right. */
export type WebIdentity = {
  readonly issuer: string;
  readonly audience: string;
  readonly subject: string;
  /** Whether it brings session tags, and a source identity. */
  readonly hasTags: boolean;
  readonly hasSourceIdentity: boolean;
};

type RemoteKeySet = ReturnType<typeof createRemoteJWKSet>;

/** What IAM accepts; a symmetric or absent algorithm is none of them. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512'];
/** Prefix of the claims that are for STS (IAM user guide, "Pass session tags using AssumeRoleWithWebIdentity"). */
const CLAIMS = 'https://aws.amazon.com/';
/** IAM honours a token until five minutes after its `exp`. */
const CLOCK_TOLERANCE_SECONDS = 300;

/**
 * A verifier of web identity tokens that fetches each issuer's keys by its discovery document.
 *
 * @throws CloudError `InvalidIdentityToken`, `ExpiredTokenException` or `IDPCommunicationError`
 */
export const createTokenVerifier = (providers: readonly IdentityProvider[], now: () => number) => {
  const keysByIssuer = new Map<string, RemoteKeySet>();
  const fetchProviderKeys = async (provider: IdentityProvider): Promise<RemoteKeySet> => {
    const keys = keysByIssuer.get(provider.issuer) ?? (await discoverKeys(provider));
    keysByIssuer.set(provider.issuer, keys);
    return keys;
  };
  return async (token: string): Promise<WebIdentity> => {
    const provider = findProvider(token, providers);
    try {
      const { payload } = await jwtVerify(token, await fetchProviderKeys(provider), {
        algorithms: ALGORITHMS,
        issuer: provider.issuer,
        audience: [...provider.audiences],
        requiredClaims: ['sub', 'exp', 'iat'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        currentDate: new Date(now()),
      });
      return toWebIdentity(payload, provider);
    } catch (error) {
      throw toTokenError(error);
    }
  };
};

const findProvider = (token: string, providers: readonly IdentityProvider[]): IdentityProvider => {
  const issuer = readUnverifiedIssuer(token);
  const provider = providers.find((one) => one.issuer === issuer);
  if (provider === undefined) {
    throw createInvalidToken(`No OpenIDConnect provider found in your account for ${issuer}`);
  }
  return provider;
};

const readUnverifiedIssuer = (token: string): string => {
  try {
    return decodeJwt(token).iss ?? '';
  } catch {
    throw createInvalidToken('The ID Token provided is not a valid JWT');
  }
};

const discoverKeys = async ({ issuer, roots }: IdentityProvider): Promise<RemoteKeySet> => {
  const fetchDocument = createDocumentFetch(roots);
  const answer = await fetchDocument(`${issuer}/.well-known/openid-configuration`);
  if (!answer.ok) throw new Error(`discovery answered ${answer.status}`);
  const document = (await answer.json()) as { readonly jwks_uri: string };
  return createRemoteJWKSet(new URL(document.jwks_uri), { [customFetch]: fetchDocument });
};

const toWebIdentity = (payload: JWTPayload, provider: IdentityProvider): WebIdentity => {
  const given = [payload.aud].flat();
  return {
    issuer: provider.issuer,
    audience: provider.audiences.find((audience) => given.includes(audience)) ?? '',
    subject: payload.sub ?? '',
    hasTags: payload[`${CLAIMS}tags`] !== undefined,
    hasSourceIdentity: payload[`${CLAIMS}source_identity`] !== undefined,
  };
};

const createInvalidToken = (message: string): CloudError =>
  new CloudError('InvalidIdentityToken', 400, message);

const toTokenError = (error: unknown): CloudError => {
  if (error instanceof errors.JWTExpired) {
    return new CloudError('ExpiredTokenException', 400, 'Token expired');
  }
  if (error instanceof errors.JWTClaimValidationFailed && error.claim === 'aud') {
    return createInvalidToken('Incorrect token audience');
  }
  // A key that the issuer does not publish is the token's fault, not the issuer's.
  if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout)) {
    return createInvalidToken("Couldn't retrieve verification key or verify the token with it");
  }
  return new CloudError('IDPCommunicationError', 400, 'The issuer could not be reached');
};
