import type { LoadCatalog } from '../catalog/catalog.ts';
import type { Clock } from '../contract/clock.ts';
import type { AuthoritySettings, Platform } from '../contract/platform.ts';
import { createJwksCache, type FetchJwks } from '../identity/jwks-cache.ts';
import { createTokenVerifier } from '../identity/projected-token.ts';
import { consumeToken } from '../identity/token-replay.ts';
import {
  createUseOnceGuard,
  type UsedHandleLeases,
  type UseOnceGuard,
} from '../identity/use-once.ts';
import { createUserVerifier, type UserVerifierDeps } from '../identity/user-token.ts';
import {
  createWorkloadIdentifier,
  type WorkloadIdentifierDeps,
} from '../identity/workload-identification.ts';
import type { User } from '../identity/workload.ts';
import type { AcceptedTemplates } from '../injection/injection-template.ts';
import { createTaskRevalidator } from '../task/revalidation.ts';
import type { IdentifyWorkload, VerifyPodToken } from './caller.ts';
import { createPodEvaluator } from './pod-evaluation.ts';
import { RequestError } from './token-refusal.ts';

export type CallerIdentificationOptions = {
  readonly platform: Platform & { readonly authority: AuthoritySettings };
  /** Whether a token must come from an address of the pod that it names. */
  readonly comparesPeer: boolean;
};

type PodLookups = Pick<
  WorkloadIdentifierDeps,
  'readPod' | 'reviewToken' | 'readNamespaceLabels' | 'readServiceAccount'
>;

export type CallerIdentificationDeps = PodLookups & {
  /** The cluster's service-account issuer; undefined until it was read. */
  readonly getClusterIssuer: () => string | undefined;
  /** Fetches the JWKS of the cluster. */
  readonly fetchKeys: FetchJwks;
  readonly fetchUserJwks: UserVerifierDeps['fetchJwks'];
  readonly usedHandleLeases: UsedHandleLeases;
  /** Undefined until the injection templates were read. */
  readonly getTemplates: () => AcceptedTemplates | undefined;
  readonly loadCatalog: LoadCatalog;
  readonly clock: Clock;
};

export type CallerIdentification = {
  readonly verifyPodToken: VerifyPodToken;
  readonly identifyWorkload: IdentifyWorkload;
  /** Verifies a human's ID token and consumes it. @throws IdentityError */
  readonly verifyUserToken: (userToken: string) => Promise<User>;
  readonly useOnce: UseOnceGuard;
};

/** Identifies callers by the tokens of pods and humans, checked against the current cluster state. */
export const createCallerIdentification = (
  { platform, comparesPeer }: CallerIdentificationOptions,
  deps: CallerIdentificationDeps,
): CallerIdentification => {
  const { now, monotonic } = deps.clock;
  const { audience } = platform.sidecar;
  const { issuers, maxTokenLifetimeSeconds } = platform.authority.users;
  const verifyClaims = createTokenVerifier({
    issuer: () => requireLoaded(deps.getClusterIssuer(), "the cluster's issuer"),
    audience,
    findKey: createJwksCache({ fetchJwks: deps.fetchKeys, monotonic, code: 'keys_unavailable' }),
    now,
  });
  const identify = createWorkloadIdentifier({
    audience,
    readPod: deps.readPod,
    reviewToken: deps.reviewToken,
    readNamespaceLabels: deps.readNamespaceLabels,
    readServiceAccount: deps.readServiceAccount,
    evaluatePod: createPodEvaluator(platform, () =>
      requireLoaded(deps.getTemplates(), 'the injection templates'),
    ),
    revalidateTasks: createTaskRevalidator({
      limits: platform.tasks,
      cloud: platform.cloud,
      loadCatalog: deps.loadCatalog,
    }),
  });
  const verifyUser = createUserVerifier({
    issuers,
    maxTokenLifetimeSeconds,
    fetchJwks: deps.fetchUserJwks,
    now,
    monotonic,
  });
  const useOnce = createUseOnceGuard({ leases: deps.usedHandleLeases, now });
  return {
    verifyPodToken: async (token, peer) => {
      const claims = await verifyClaims(token);
      const { namespace, serviceAccount, pod } = claims;
      return {
        caller: { namespace, serviceAccount: serviceAccount.name, pod },
        claims,
        token,
        peer,
      };
    },
    identifyWorkload: ({ claims, token, peer }) =>
      identify(claims, token, comparesPeer ? { peer } : {}),
    verifyUserToken: async (token) => {
      const user = await verifyUser(token);
      await consumeToken(useOnce, user);
      return user;
    },
    useOnce,
  };
};

const requireLoaded = <T>(value: T | undefined, name: string): T => {
  if (value === undefined) throw new RequestError('starting', `not loaded yet: ${name}`);
  return value;
};
