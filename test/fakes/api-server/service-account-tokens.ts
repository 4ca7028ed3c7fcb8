import { exportJWK, generateKeyPair, jwtVerify, SignJWT, type JWTPayload } from 'jose';

/** Whom a token is for, as a TokenRequest says it. */
export type PodTokenOptions = {
  readonly namespace: string;
  readonly serviceAccount: { readonly name: string; readonly uid: string };
  readonly pod: { readonly name: string; readonly uid: string; readonly node: string };
  readonly audiences: readonly string[];
  readonly lifetimeSeconds: number;
};

/** What a TokenReview answers of a token (authentication.k8s.io/v1). */
export type ReviewStatus = {
  readonly authenticated: boolean;
  readonly audiences?: readonly string[];
  readonly user?: {
    readonly username: string;
    readonly uid: string;
    readonly groups: readonly string[];
    readonly extra: Readonly<Record<string, readonly string[]>>;
  };
  readonly error?: string;
};

export type ServiceAccountTokens = {
  readonly issuer: string;
  readonly jwks: object;
  readonly sign: (options: PodTokenOptions) => Promise<string>;
  readonly review: (token: string, audiences: readonly string[]) => Promise<ReviewStatus>;
};

/** As kubeadm makes it. */
const ALGORITHM = 'RS256';
const KEY_ID = 'embedded-1';
const ISSUER = 'https://kubernetes.default.svc.cluster.local';

/** The issuer of a cluster's service-account tokens, with a key of this moment. */
export const createServiceAccountTokens = async (
  now: () => number,
): Promise<ServiceAccountTokens> => {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM);
  const jwk = { ...(await exportJWK(publicKey)), kid: KEY_ID, alg: ALGORITHM, use: 'sig' };
  return {
    issuer: ISSUER,
    jwks: { keys: [jwk] },
    sign: (options) =>
      new SignJWT(buildClaims(options, Math.floor(now() / 1000)))
        .setProtectedHeader({ alg: ALGORITHM, kid: KEY_ID })
        .sign(privateKey),
    review: async (token, audiences) => {
      try {
        const { payload } = await jwtVerify(token, publicKey, {
          algorithms: [ALGORITHM],
          issuer: ISSUER,
          audience: [...audiences],
          requiredClaims: ['sub', 'exp'],
          currentDate: new Date(now()),
        });
        return toReviewStatus(payload, audiences);
      } catch {
        return { authenticated: false, error: 'the token could not be verified' };
      }
    },
  };
};

/** Claims as pkg/serviceaccount/claims.go writes them. */
const buildClaims = (options: PodTokenOptions, now: number): JWTPayload => {
  const { namespace, serviceAccount, pod, audiences, lifetimeSeconds } = options;
  const { node, ...bound } = pod;
  return {
    iss: ISSUER,
    sub: `system:serviceaccount:${namespace}:${serviceAccount.name}`,
    aud: [...audiences],
    ...{ iat: now, nbf: now, exp: now + lifetimeSeconds },
    'kubernetes.io': {
      namespace,
      node: { name: node },
      pod: bound,
      serviceaccount: serviceAccount,
    },
  };
};

type BoundObject = Readonly<Record<'pod' | 'serviceaccount', { name: string; uid: string }>>;

const toReviewStatus = (payload: JWTPayload, audiences: readonly string[]): ReviewStatus => {
  const { pod, serviceaccount } = payload['kubernetes.io'] as BoundObject;
  return {
    authenticated: true,
    audiences: audiences.filter((audience) => [payload.aud].flat().includes(audience)),
    user: {
      username: payload.sub ?? '',
      uid: serviceaccount.uid,
      groups: ['system:serviceaccounts', 'system:authenticated'],
      extra: {
        'authentication.kubernetes.io/pod-name': [pod.name],
        'authentication.kubernetes.io/pod-uid': [pod.uid],
      },
    },
  };
};
