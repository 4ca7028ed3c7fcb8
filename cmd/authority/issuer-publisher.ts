import { DOCUMENTS_MAX_AGE_SECONDS } from '../../lib/grant/grant-times.ts';
import type { IssuerDocument, Jwks } from '../../lib/grant/issuer-documents.ts';
import type { PublishedKeys } from '../../lib/grant/key-rotation.ts';
import type { EmitPodEvent } from '../../lib/edge/kubernetes/pod-events.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import { LoggableError } from '../../lib/schema/loggable-error.ts';
import { withTimeout } from '../../lib/async/timeout.ts';
import type { OnFailure } from './failures.ts';

/** Writes the issuer's documents to where the cloud reads them. */
export type IssuerPublisher = {
  /** Call it when the signing keys have changed. */
  readonly wake: () => void;
  readonly stop: () => void;
};

/** The response to an HTTPS GET that bypasses caches. */
export type PublicResponse = { readonly text: string; readonly cacheControl: string | undefined };

/** Reads the published keys; undefined if they could not be read. */
export type FetchPublishedKeys = () => Promise<PublishedKeys | undefined>;

export type IssuerPublisherDeps = {
  /** The documents to publish; undefined while the signing keys are not loaded, or stale. */
  readonly documents: () => readonly IssuerDocument[] | undefined;
  /** Writes them, with the `publisher` role. */
  readonly publish: (documents: readonly IssuerDocument[], signal: AbortSignal) => Promise<void>;
  readonly fetchPublishedKeys: FetchPublishedKeys;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  readonly onPublished: () => void;
};

const EVERY_MS = 60_000;
const RETRY = { firstMs: 1_000, maxMs: 60_000 };
const PUBLISH_TIMEOUT_MS = 30_000;

/**
 * Starts the publisher. Each replica writes when its own documents change, so the replica that
 * receives new keys last writes last, and the newest documents remain. Once a minute the published
 * documents are compared with the expected ones.
 */
export const startIssuerPublisher = ({
  documents,
  publish,
  fetchPublishedKeys,
  random,
  onFailure,
  onPublished,
}: IssuerPublisherDeps): IssuerPublisher => {
  let published: string | undefined;

  const isPublic = async (wanted: readonly IssuerDocument[]): Promise<boolean> => {
    const copy = await fetchPublishedKeys();
    return copy === undefined || hasSameKids(copy, wanted);
  };
  const publishIfChanged = async (): Promise<void> => {
    const wanted = documents();
    if (wanted === undefined) return;
    const text = JSON.stringify(wanted);
    if (text === published && (await isPublic(wanted))) return;
    const limit = { ms: PUBLISH_TIMEOUT_MS, what: 'publication of documents' };
    await withTimeout(limit, (signal) => publish(wanted, signal));
    published = text;
    onPublished();
  };
  return startReconcileLoop({
    reconcile: async () => {
      await publishIfChanged();
      return EVERY_MS;
    },
    onFailure: (error) => onFailure('issuer documents not published', error),
    retry: RETRY,
    random,
  });
};

/** @param fetchPublic fetches the public `jwks_uri`; rejects if it cannot, or the status is not 200 */
export const createPublishedKeysReader =
  (fetchPublic: () => Promise<PublicResponse>, onFailure: OnFailure): FetchPublishedKeys =>
  async () => {
    try {
      return parsePublicCopy(await fetchPublic());
    } catch (error) {
      onFailure('published keys of the issuer not read', error);
      return undefined;
    }
  };

/**
 * Creates the function that logs why the published keys could not be read, and writes it to an Event of
 * the replica, where `kubectl valetkey status` finds it.
 */
export const createReadFailureReporter =
  (
    { url, namespace, podName }: Readonly<Record<'url' | 'namespace' | 'podName', string>>,
    { onFailure, emitPodEvent }: { onFailure: OnFailure; emitPodEvent: EmitPodEvent },
  ): OnFailure =>
  (message, error) => {
    onFailure(message, error);
    if (!(error instanceof LoggableError)) return;
    emitPodEvent({
      namespace,
      pod: { name: podName, uid: '' },
      message: `${url}: ${error.message}`,
      reason: 'IssuerUnreachable',
      code: 'issuer_unreachable',
    }).catch((failure: unknown) => onFailure('event not written', failure));
  };

/** Without a max-age, some caches keep a copy for long. */
const DEFAULT_MAX_AGE_SECONDS = 3_600;

/**
 * Reads which keys a published document contains, and for how long others may cache it (RFC 9111,
 * section 5.2.2.1): at least the max-age of the authority's own endpoint, because clouds cache too.
 *
 * @throws LoggableError if the response is not a JWKS
 */
export const parsePublicCopy = ({ text, cacheControl = '' }: PublicResponse): PublishedKeys => {
  const kids = parseKids(text);
  if (kids === undefined) throw new LoggableError('expected a JWKS, got something else');
  const [, given] = /(?:^|[\s,])max-age="?(\d{1,9})/i.exec(cacheControl) ?? [];
  const seconds = given === undefined ? DEFAULT_MAX_AGE_SECONDS : Number(given);
  return { kids, maxAgeMs: Math.max(seconds, DOCUMENTS_MAX_AGE_SECONDS) * 1000 };
};

const parseKids = (text: string): readonly string[] | undefined => {
  try {
    const { keys } = JSON.parse(text) as Partial<Jwks>;
    const kids = keys?.map(({ kid }) => kid);
    return kids?.every((kid) => typeof kid === 'string') === true ? kids : undefined;
  } catch {
    return undefined;
  }
};

/** Compares key IDs in order: Ceph RGW uses only the first key. */
const hasSameKids = ({ kids }: PublishedKeys, wanted: readonly IssuerDocument[]): boolean =>
  wanted.some(({ body }) => parseKids(body)?.join() === kids.join());
