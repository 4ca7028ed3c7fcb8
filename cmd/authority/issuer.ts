import type { Recorder } from '../../lib/audit/audit-event.ts';
import { createPublicDocumentFetcher } from '../../lib/edge/http/public-document.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { JWKS_PATH } from '../../lib/contract/authority-api.ts';
import { buildIssuerDocuments, type Jwks } from '../../lib/grant/issuer-documents.ts';
import { withTimeout } from '../../lib/async/timeout.ts';
import { createCloudAccess, type CloudAccess, type CloudDeps } from './cloud-access.ts';
import type { ClusterClient } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import type { OnFailure } from './failures.ts';
import {
  startSigningKeyRefresh,
  type ActiveGrantKeys,
  type SigningKeysDeps,
} from './signing-key-refresh.ts';
import { createAuditQueue } from './audit-queue.ts';
import { startIssuerPublisher, type IssuerPublisher } from './issuer-publisher.ts';

/** What the cloud trusts: keys of grants, the documents that show them, and what grants are traded for. */
export type Issuer = {
  readonly keys: ActiveGrantKeys;
  readonly cloud: CloudAccess;
  /** For a cloud that asks: the keys as they are now, or, where that takes long, as they were. */
  readonly publicJwks: () => Promise<Jwks | undefined>;
  readonly stop: () => void;
};

export type IssuerDeps = Omit<CloudDeps, 'keys' | 'reportSkew'> &
  Pick<SigningKeysDeps, 'log'> & {
    readonly cluster: Pick<ClusterClient, 'keys'>;
    readonly metrics: AuthorityMetrics;
    readonly record: Recorder;
    readonly onFailure: OnFailure;
    readonly timings: { readonly keysMs: number };
  };

/** A cloud waits for some seconds; keys that were read a minute ago are good still. */
const REFRESH_TIMEOUT_MS = 1_000;

export const startIssuer = (config: AuthorityConfig, edges: IssuerDeps): Issuer => {
  const { cluster, metrics, clock, random, log } = edges;
  const { authority } = config.platform;
  const records = createAuditQueue(edges);
  const started: { publisher?: IssuerPublisher } = {};
  const keys = startSigningKeyRefresh(config, {
    ...cluster.keys,
    ...{ clock, random, log },
    ...(hasExternalIssuer(authority) && {
      readPublishedKeys: async () => started.publisher?.fetchPublicCopy(),
    }),
    record: (event) => {
      records.add([event]);
      started.publisher?.wake();
    },
    onProblems: metrics.signingKeyProblems,
    onFailure: () => metrics.reconcileFailed('signing-keys'),
    everyMs: edges.timings.keysMs,
  });
  const cloud = createCloudAccess(config, { keys, clock, random, reportSkew: metrics.clockSkew });
  if (hasExternalIssuer(authority))
    started.publisher = startPublisher(config, edges, { keys, cloud });
  return {
    keys,
    cloud,
    publicJwks: () =>
      withTimeout({ ms: REFRESH_TIMEOUT_MS, what: 'keys of grants' }, keys.freshJwks).catch(() =>
        keys.jwks(),
      ),
    stop: () => {
      keys.stop();
      started.publisher?.stop();
      records.stop();
    },
  };
};

/** Where the issuer is not the endpoint itself, the cloud sees a copy that somebody has to bring there. */
const hasExternalIssuer = ({
  issuer,
  endpoint,
}: AuthorityConfig['platform']['authority']): boolean =>
  new URL(issuer).origin !== new URL(endpoint).origin;

const startPublisher = (
  { platform }: AuthorityConfig,
  { random, onFailure, log }: IssuerDeps,
  { keys, cloud }: Pick<Issuer, 'keys' | 'cloud'>,
): IssuerPublisher => {
  const { authority } = platform;
  const { caBundle } = platform.cloud;
  const url = `${authority.issuer}${JWKS_PATH}`;
  return startIssuerPublisher({
    documents: () => {
      const jwks = keys.jwks();
      return jwks && buildIssuerDocuments(authority, jwks);
    },
    ...(cloud.publish !== undefined && { publish: cloud.publish }),
    fetchPublic: createPublicDocumentFetcher({ url, ...(caBundle !== undefined && { caBundle }) }),
    random,
    onFailure,
    onPublished: () => log.info("the issuer's documents are published"),
  });
};
