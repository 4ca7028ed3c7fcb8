import type { Recorder } from '../../lib/audit/record.ts';
import { openPublicDocument } from '../../lib/edge/oidc/public-document.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { JWKS_PATH } from '../../lib/contract/authority.ts';
import { issuerDocuments, type Jwks } from '../../lib/grant/documents.ts';
import { within } from '../../lib/rounds/time-limit.ts';
import { openCloud, type Cloud, type CloudEdges } from './cloud.ts';
import type { Cluster } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import type { OnFailure } from './failures.ts';
import { keepKeys, type KeptKeys, type KeysEdges } from './keys.ts';
import { openLaterRecords } from './later-records.ts';
import { openPublishing, type Publishing } from './publishing.ts';

/** What the cloud trusts: keys of grants, the documents that show them, and what grants are traded for. */
export type Issuer = {
  readonly keys: KeptKeys;
  readonly cloud: Cloud;
  /** For a cloud that asks: the keys as they are now, or, where that takes long, as they were. */
  readonly publicJwks: () => Promise<Jwks | undefined>;
  readonly stop: () => void;
};

export type IssuerEdges = Omit<CloudEdges, 'keys' | 'reportSkew'> &
  Pick<KeysEdges, 'log'> & {
    readonly cluster: Pick<Cluster, 'keys'>;
    readonly metrics: AuthorityMetrics;
    readonly record: Recorder;
    readonly onFailure: OnFailure;
    readonly pace: { readonly keysMs: number };
  };

/** A cloud waits for some seconds; keys that were read a minute ago are good still. */
const FRESH_MS = 1_000;

export const openIssuer = (config: AuthorityConfig, edges: IssuerEdges): Issuer => {
  const { cluster, metrics, clock, random, log } = edges;
  const { authority } = config.platform;
  const records = openLaterRecords(edges);
  const late: { publishing?: Publishing } = {};
  const keys = keepKeys(config, {
    ...cluster.keys,
    ...{ clock, random, log },
    ...(isElsewhere(authority) && {
      seenPublicly: async () => late.publishing?.seenPublicly(),
    }),
    record: (event) => {
      records.add([event]);
      late.publishing?.wake();
    },
    onConcerns: metrics.keyConcerns,
    onFailure: () => metrics.roundFailed('keys'),
    everyMs: edges.pace.keysMs,
  });
  const cloud = openCloud(config, { keys, clock, random, reportSkew: metrics.clockSkew });
  if (isElsewhere(authority)) late.publishing = publishingOf(config, edges, { keys, cloud });
  return {
    keys,
    cloud,
    publicJwks: () =>
      within({ ms: FRESH_MS, what: 'keys of grants' }, keys.freshJwks).catch(() => keys.jwks()),
    stop: () => {
      keys.stop();
      late.publishing?.stop();
      records.stop();
    },
  };
};

/** Where the issuer is not the endpoint itself, the cloud sees a copy that somebody has to bring there. */
const isElsewhere = ({ issuer, endpoint }: AuthorityConfig['platform']['authority']): boolean =>
  new URL(issuer).origin !== new URL(endpoint).origin;

const publishingOf = (
  { platform }: AuthorityConfig,
  { random, onFailure, log }: IssuerEdges,
  { keys, cloud }: Pick<Issuer, 'keys' | 'cloud'>,
): Publishing => {
  const { authority } = platform;
  const { caBundle } = platform.cloud;
  const url = `${authority.issuer}${JWKS_PATH}`;
  return openPublishing({
    documents: () => {
      const jwks = keys.jwks();
      return jwks && issuerDocuments(authority, jwks);
    },
    ...(cloud.publish !== undefined && { publish: cloud.publish }),
    fetchPublic: openPublicDocument({ url, ...(caBundle !== undefined && { caBundle }) }),
    random,
    onFailure,
    onPublished: () => log.info("the issuer's documents are published"),
  });
};
