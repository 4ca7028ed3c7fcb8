import type { Clock } from '../../lib/contract/clock.ts';
import { openPublication } from '../../lib/edge/aws/bucket.ts';
import { openRolePolicies } from '../../lib/edge/aws/iam.ts';
import { openSts } from '../../lib/edge/aws/sts-client.ts';
import { openOwnTrade, openTrade, type OwnRight } from '../../lib/edge/aws/trade.ts';
import { DOCUMENTS_MAX_AGE_SECONDS } from '../../lib/grant/grant-times.ts';
import type { GrantKeys } from '../../lib/grant/keys.ts';
import type { TradeRun } from '../../lib/issuing/run-order.ts';
import type { AuthorityConfig } from './config.ts';
import type { DenialEdges } from './denial.ts';
import { openOwnKeys } from './own-keys.ts';
import type { PublishingEdges } from './publishing.ts';

export type Cloud = {
  readonly trade: TradeRun;
  /** By the `revoker` role; absent where no role opts in. */
  readonly writeDenial?: DenialEdges['write'];
  /** By the `publisher` role; absent where a person publishes. */
  readonly publish?: NonNullable<PublishingEdges['publish']>;
};

export type CloudEdges = {
  readonly keys: Pick<GrantKeys, 'sign' | 'refresh'>;
  readonly reportSkew: (skewMs: number) => void;
  readonly clock: Clock;
  readonly random: () => number;
};

/** Name of our inline policy on the roles that opt in. */
const DENIAL_POLICY = 'valetkey-ended-runs';

/** What the authority asks of the cloud; each call by a grant that it signs for it. */
export const openCloud = (
  { platform }: Pick<AuthorityConfig, 'platform'>,
  { keys, ...edges }: CloudEdges,
): Cloud => {
  const { cloud, authority } = platform;
  const parts = {
    ...edges,
    assumeRole: openSts(cloud, { keepAlive: true }),
    sign: keys.sign,
    refreshKeys: keys.refresh,
    ...{ cloud, authority },
  };
  const trade = openTrade(parts);
  const tradeOwn = openOwnTrade(parts);
  const ownKeys = (right: OwnRight) => openOwnKeys({ right, trade: tradeOwn, clock: edges.clock });
  const { denial, publisher } = authority;
  return {
    trade,
    ...(denial !== undefined && {
      writeDenial: denialWriter(
        { ...cloud, ...at(denial.iamEndpoint) },
        ownKeys({ name: 'revoker', role: denial.revokerRole }),
      ),
    }),
    ...(publisher !== undefined && {
      publish: documentWriter(
        { ...cloud, ...at(publisher.s3Endpoint) },
        { ...publisher, ownKeys: ownKeys({ name: 'publisher', role: publisher.role }) },
      ),
    }),
  };
};

type Endpoint = Parameters<typeof openRolePolicies>[0];
type OwnKeys = ReturnType<typeof openOwnKeys>;

const at = (endpoint: string | undefined) => (endpoint === undefined ? {} : { endpoint });

const denialWriter =
  (settings: Endpoint, ownKeys: OwnKeys): DenialEdges['write'] =>
  async (role, policy, signal) => {
    const policies = openRolePolicies(settings, await ownKeys(signal));
    const name = { roleName: role.split('/').at(-1) ?? '', policyName: DENIAL_POLICY };
    await (policy === undefined
      ? policies.remove(name, signal)
      : policies.put(name, policy, signal));
  };

const documentWriter =
  (
    settings: Endpoint,
    { bucket, prefix, ownKeys }: { bucket: string; prefix: string; ownKeys: OwnKeys },
  ): NonNullable<PublishingEdges['publish']> =>
  async (documents, signal) => {
    const terms = { bucket, prefix, maxAgeSeconds: DOCUMENTS_MAX_AGE_SECONDS };
    await openPublication(settings, await ownKeys(signal), terms)(documents, signal);
  };
