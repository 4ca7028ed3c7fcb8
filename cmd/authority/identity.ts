import type { LoadCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import { openUserKeys } from '../../lib/edge/oidc/user-keys.ts';
import { openIdentification } from '../../lib/identity/identification.ts';
import { openKeys } from '../../lib/identity/keys.ts';
import { openTokenVerifier } from '../../lib/identity/projected-token.ts';
import { openSpending } from '../../lib/identity/spending.ts';
import { openUserVerifier } from '../../lib/identity/user-token.ts';
import type { User } from '../../lib/identity/workload.ts';
import { judgeLivePod } from '../../lib/injection/live-pod.ts';
import type { VerifyToken } from '../../lib/issuing/caller.ts';
import { IssuingError } from '../../lib/issuing/refusal.ts';
import { backoffMs, startLoop } from '../../lib/rounds/loop.ts';
import { openRejudging } from '../../lib/task/rejudging.ts';
import type { Cluster } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import { errorFields } from './error-fields.ts';
import type { Profiles } from './profiles.ts';

export type Identity = {
  readonly verify: VerifyToken;
  /** Verifies and spends. @throws IdentityError */
  readonly spend: (userToken: string) => Promise<User>;
  readonly collectLeases: () => Promise<void>;
  /** Whether the cluster's issuer is known. */
  readonly isReady: () => boolean;
  readonly stop: () => void;
};

export type IdentityEdges = {
  readonly cluster: Cluster['identity'];
  readonly profiles: Pick<Profiles, 'known'>;
  readonly loadCatalogue: LoadCatalogue;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
};

const RETRY = { firstMs: 500, mostMs: 10_000 };
const NEVER_MS = 86_400_000;

/** Who is asking: tokens of pods and of humans, held against the cluster as it is now. */
export const openIdentity = (
  { platform, podAddresses }: AuthorityConfig,
  edges: IdentityEdges,
): Identity => {
  const { cluster, clock } = edges;
  const { audience } = platform.sidecar;
  const issuer = keepIssuer(edges);
  const { now, monotonic } = clock;
  const findKey = openKeys({
    fetchJwks: cluster.fetchKeys,
    monotonic,
    code: 'keys_unavailable',
  });
  const verifyToken = openTokenVerifier({ issuer: issuer.known, audience, findKey, now });
  const identify = openIdentification({ ...cluster, audience, ...judgesOf(platform, edges) });
  const users = openUsers(platform, edges);
  return {
    verify: async (token, peer) => {
      const claims = await verifyToken(token);
      const { namespace, serviceAccount, pod } = claims;
      const circumstances = podAddresses === 'compare' ? { peer } : {};
      return {
        claimant: { namespace, serviceAccount: serviceAccount.name, pod },
        identify: () => identify(claims, token, circumstances),
      };
    },
    ...users,
    isReady: issuer.isKnown,
    stop: issuer.stop,
  };
};

/** The rules on a live pod, and its tasks, by the same code as admission. */
const judgesOf = (
  platform: AuthorityConfig['platform'],
  { profiles, loadCatalogue }: Pick<IdentityEdges, 'profiles' | 'loadCatalogue'>,
): Pick<Parameters<typeof openIdentification>[0], 'judgePod' | 'rejudgeTasks'> => ({
  judgePod: async (pod, { readLabels, ...account }) => {
    const known = profiles.known();
    if (known === undefined) throw starting('no profile is known yet');
    const terms = { platform, profiles: known, ...account };
    const strictly = judgeLivePod(pod, terms);
    if (strictly.ok) return strictly;
    const namespaceLabels = (await readLabels()) ?? {};
    return judgeLivePod(pod, { ...terms, namespaceLabels });
  },
  rejudgeTasks: openRejudging({
    limits: platform.tasks,
    dialect: platform.cloud.dialect,
    loadCatalogue,
  }),
});

const openUsers = (
  { authority }: AuthorityConfig['platform'],
  { cluster, clock }: Pick<IdentityEdges, 'cluster' | 'clock'>,
): Pick<Identity, 'spend' | 'collectLeases'> => {
  const { issuers, maxTokenLifetimeSeconds } = authority.users;
  const { now, monotonic } = clock;
  const terms = { issuers, maxTokenLifetimeSeconds, now, monotonic };
  const verifyUser = openUserVerifier({ ...terms, fetchJwks: openUserKeys });
  const { spend, collect } = openSpending({ leases: cluster.spentLeases, now });
  return {
    spend: async (token) => {
      const user = await verifyUser(token);
      await spend(user);
      return user;
    },
    collectLeases: collect,
  };
};

/** Asked once: an API server whose issuer changes is restarted, and so are we. */
const keepIssuer = ({ cluster, random, log }: IdentityEdges) => {
  let known: string | undefined;
  let failures = 0;
  const loop = startLoop(async () => {
    try {
      known ??= await cluster.readIssuer();
      return NEVER_MS;
    } catch (error) {
      failures += 1;
      log.warn("the cluster's issuer is not read", errorFields(error));
      return backoffMs(failures, { ...RETRY, random });
    }
  });
  return {
    known: (): string => {
      if (known === undefined) throw starting("the cluster's issuer is not known yet");
      return known;
    },
    isKnown: () => known !== undefined,
    stop: loop.stop,
  };
};

const starting = (message: string): IssuingError => new IssuingError('starting', message);
