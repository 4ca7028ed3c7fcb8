import type { LoadCatalog } from '../../lib/catalog/catalog.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import { createUserJwksFetcher } from '../../lib/edge/http/user-jwks.ts';
import { createWorkloadIdentifier } from '../../lib/identity/workload-identification.ts';
import { createJwksCache } from '../../lib/identity/jwks-cache.ts';
import { createTokenVerifier } from '../../lib/identity/projected-token.ts';
import { createReplayGuard } from '../../lib/identity/token-replay.ts';
import { createUserVerifier } from '../../lib/identity/user-token.ts';
import type { User } from '../../lib/identity/workload.ts';
import { evaluateLivePod } from '../../lib/injection/live-pod.ts';
import type { VerifyPodToken } from '../../lib/exchange/caller.ts';
import { IssuingError } from '../../lib/exchange/token-refusal.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import { createTaskRevalidator } from '../../lib/task/revalidation.ts';
import type { ClusterClient } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import type { TemplateWatch } from './template-watch.ts';

export type IdentityVerifier = {
  readonly verify: VerifyPodToken;
  /** Verifies and spends. @throws IdentityError */
  readonly consumeUserToken: (userToken: string) => Promise<User>;
  readonly collectLeases: () => Promise<void>;
  /** Whether the cluster's issuer is known. */
  readonly isReady: () => boolean;
  readonly stop: () => void;
};

export type IdentityDeps = {
  readonly cluster: ClusterClient['identity'];
  readonly templates: Pick<TemplateWatch, 'accepted'>;
  readonly loadCatalog: LoadCatalog;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
};

const RETRY = { firstMs: 500, maxMs: 10_000 };
const NEVER_MS = 86_400_000;

/** Who is asking: tokens of pods and of humans, held against the cluster as it is now. */
export const createIdentityVerifier = (
  { platform, podAddresses }: AuthorityConfig,
  edges: IdentityDeps,
): IdentityVerifier => {
  const { cluster, clock } = edges;
  const { audience } = platform.sidecar;
  const issuer = startIssuerLookup(edges);
  const { now, monotonic } = clock;
  const findKey = createJwksCache({
    fetchJwks: cluster.fetchKeys,
    monotonic,
    code: 'keys_unavailable',
  });
  const verifyToken = createTokenVerifier({ issuer: issuer.getIssuer, audience, findKey, now });
  const identify = createWorkloadIdentifier({
    ...cluster,
    audience,
    ...buildPodChecks(platform, edges),
  });
  const users = createUserTokenConsumer(platform, edges);
  return {
    verify: async (token, peer) => {
      const claims = await verifyToken(token);
      const { namespace, serviceAccount, pod } = claims;
      const origin = podAddresses === 'compare' ? { peer } : {};
      return {
        caller: { namespace, serviceAccount: serviceAccount.name, pod },
        identifyWorkload: () => identify(claims, token, origin),
      };
    },
    ...users,
    isReady: issuer.isLoaded,
    stop: issuer.stop,
  };
};

/** The rules on a live pod, and its tasks, by the same code as admission. */
const buildPodChecks = (
  platform: AuthorityConfig['platform'],
  { templates, loadCatalog }: Pick<IdentityDeps, 'templates' | 'loadCatalog'>,
): Pick<Parameters<typeof createWorkloadIdentifier>[0], 'evaluatePod' | 'revalidateTasks'> => ({
  evaluatePod: async (pod, { readLabels, ...account }) => {
    const known = templates.accepted();
    if (known === undefined) throw createStartingError('no profile is known yet');
    const terms = { platform, templates: known, ...account };
    const strictResult = evaluateLivePod(pod, terms);
    if (strictResult.ok) return strictResult;
    const namespaceLabels = (await readLabels()) ?? {};
    return evaluateLivePod(pod, { ...terms, namespaceLabels });
  },
  revalidateTasks: createTaskRevalidator({
    limits: platform.tasks,
    dialect: platform.cloud.dialect,
    loadCatalog,
  }),
});

const createUserTokenConsumer = (
  { authority }: AuthorityConfig['platform'],
  { cluster, clock }: Pick<IdentityDeps, 'cluster' | 'clock'>,
): Pick<IdentityVerifier, 'consumeUserToken' | 'collectLeases'> => {
  const { issuers, maxTokenLifetimeSeconds } = authority.users;
  const { now, monotonic } = clock;
  const terms = { issuers, maxTokenLifetimeSeconds, now, monotonic };
  const verifyUser = createUserVerifier({ ...terms, fetchJwks: createUserJwksFetcher });
  const { consumeToken, collect } = createReplayGuard({ leases: cluster.usedTokenLeases, now });
  return {
    consumeUserToken: async (token) => {
      const user = await verifyUser(token);
      await consumeToken(user);
      return user;
    },
    collectLeases: collect,
  };
};

/** Asked once: an API server whose issuer changes is restarted, and so are we. */
const startIssuerLookup = ({ cluster, random, log }: IdentityDeps) => {
  let known: string | undefined;
  const loop = startReconcileLoop({
    reconcile: async () => {
      known ??= await cluster.readIssuer();
      return NEVER_MS;
    },
    onFailure: (error) => log.warn("the cluster's issuer is not read", toErrorFields(error)),
    retry: RETRY,
    random,
  });
  return {
    getIssuer: (): string => {
      if (known === undefined) throw createStartingError("the cluster's issuer is not known yet");
      return known;
    },
    isLoaded: () => known !== undefined,
    stop: loop.stop,
  };
};

const createStartingError = (message: string): IssuingError =>
  new IssuingError('starting', message);
