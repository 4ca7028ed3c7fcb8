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
import {
  createPublishedKeysReader,
  createReadFailureReporter,
  startIssuerPublisher,
  type FetchPublishedKeys,
  type IssuerPublisher,
} from './issuer-publisher.ts';

/** What the cloud trusts: signing keys, the documents that publish them, and the exchange of grants. */
export type Issuer = {
  readonly keys: ActiveGrantKeys;
  readonly cloud: CloudAccess;
  /** The current keys, or the cached ones if reading takes too long. */
  readonly publicJwks: () => Promise<Jwks | undefined>;
  readonly stop: () => void;
};

export type IssuerDeps = Omit<CloudDeps, 'keys' | 'reportSkew'> &
  Pick<SigningKeysDeps, 'log'> & {
    readonly cluster: Pick<ClusterClient, 'keys' | 'emitPodEvent'>;
    readonly metrics: AuthorityMetrics;
    readonly record: Recorder;
    readonly onFailure: OnFailure;
    readonly timings: { readonly keysMs: number };
  };

/** A cloud waits for a few seconds; keys that were read a minute ago are still valid. */
const REFRESH_TIMEOUT_MS = 1_000;

export const startIssuer = (config: AuthorityConfig, deps: IssuerDeps): Issuer => {
  const { cluster, metrics, clock, random, log, timings, tracing } = deps;
  const records = createAuditQueue(deps);
  const fetchPublishedKeys = createPublicCopyReader(config, deps);
  const keys = startSigningKeyRefresh(config, {
    ...cluster.keys,
    ...(fetchPublishedKeys !== undefined && { readPublishedKeys: fetchPublishedKeys }),
    clock,
    random,
    log,
    record: (event) => records.add([event]),
    onProblems: metrics.signingKeyProblems,
    onFailure: () => metrics.reconcileFailed('signing-keys'),
    everyMs: timings.keysMs,
  });
  const cloud = createCloudAccess(config, {
    keys,
    clock,
    random,
    tracing,
    reportSkew: metrics.clockSkew,
  });
  const publisher =
    fetchPublishedKeys && startPublisher(config, deps, { keys, cloud, fetchPublishedKeys });
  if (publisher !== undefined) keys.subscribe(publisher.wake);
  const limit = { ms: REFRESH_TIMEOUT_MS, what: 'reading of the signing keys' };
  return {
    keys,
    cloud,
    publicJwks: () => withTimeout(limit, keys.freshJwks).catch(() => keys.jwks()),
    stop: () => {
      keys.stop();
      publisher?.stop();
      records.stop();
    },
  };
};

/** Undefined if the cloud reads the documents from the authority's endpoint, so no copy is needed. */
const createPublicCopyReader = (
  { platform, namespace, podName }: AuthorityConfig,
  { onFailure, cluster }: IssuerDeps,
): FetchPublishedKeys | undefined => {
  const { issuer, endpoint } = platform.authority;
  if (new URL(issuer).origin === new URL(endpoint).origin) return undefined;
  const { caBundle } = platform.cloud;
  const url = `${issuer}${JWKS_PATH}`;
  const settings = { url, ...(caBundle !== undefined && { caBundle }) };
  const report = createReadFailureReporter(
    { url, namespace, podName },
    { onFailure, emitPodEvent: cluster.emitPodEvent },
  );
  return createPublishedKeysReader(createPublicDocumentFetcher(settings), report);
};

/** Undefined if the documents are published by other means. */
const startPublisher = (
  { platform }: AuthorityConfig,
  { random, onFailure, log }: IssuerDeps,
  {
    keys,
    cloud,
    fetchPublishedKeys,
  }: Pick<Issuer, 'keys' | 'cloud'> & { readonly fetchPublishedKeys: FetchPublishedKeys },
): IssuerPublisher | undefined => {
  if (cloud.publish === undefined) return undefined;
  return startIssuerPublisher({
    documents: () => {
      const jwks = keys.jwks();
      return jwks && buildIssuerDocuments(platform.authority, jwks);
    },
    publish: cloud.publish,
    fetchPublishedKeys,
    random,
    onFailure,
    onPublished: () => log.info('issuer documents published'),
  });
};
