import { DOCUMENTS_MAX_AGE_SECONDS } from '../../lib/grant/grant-times.ts';
import type { IssuerDocument, Jwks } from '../../lib/grant/issuer-documents.ts';
import type { PublishedKeys } from '../../lib/grant/key-rotation.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import { LoggableError } from '../../lib/schema/loggable-error.ts';
import { withTimeout } from '../../lib/async/timeout.ts';
import type { OnFailure } from './failures.ts';

/** The issuer's documents where the cloud looks for them. */
export type IssuerPublisher = {
  /** What stands at the public `jwks_uri`; nothing: it could not be read. */
  readonly fetchPublicCopy: () => Promise<PublishedKeys | undefined>;
  /** The keys changed. */
  readonly wake: () => void;
  readonly stop: () => void;
};

/** What an https GET without any cache of ours answered. */
export type PublicResponse = { readonly text: string; readonly cacheControl: string | undefined };

export type IssuerPublisherDeps = {
  /** What should stand there; nothing: our keys are not known, or too old to tell. */
  readonly documents: () => readonly IssuerDocument[] | undefined;
  /** Writes them, by the `publisher` role; absent: a person does. */
  readonly publish?: (documents: readonly IssuerDocument[], signal: AbortSignal) => Promise<void>;
  /** Of the public `jwks_uri`; throws when there is none, or it is not of status 200. */
  readonly fetchPublic: () => Promise<PublicResponse>;
  readonly random: () => number;
  readonly onFailure: OnFailure;
  readonly onPublished: () => void;
};

const EVERY_MS = 60_000;
const RETRY = { firstMs: 1_000, maxMs: 60_000 };
const PUBLISH_TIMEOUT_MS = 30_000;

/**
 * Opens it. Each replica writes when its own documents change: whoever learns of new keys last writes
 * them last, so the newest stand. Once a minute what is public is held against what should be.
 */
export const startIssuerPublisher = (edges: IssuerPublisherDeps): IssuerPublisher => {
  const { documents, publish, random, onFailure, onPublished } = edges;
  let published: string | undefined;

  const fetchPublicCopy = async (): Promise<PublishedKeys | undefined> => {
    try {
      return parsePublicCopy(await edges.fetchPublic());
    } catch (error) {
      onFailure('the public keys of the issuer cannot be read', error);
      return undefined;
    }
  };
  const isPublic = async (wanted: readonly IssuerDocument[]): Promise<boolean> => {
    const copy = await fetchPublicCopy();
    return copy === undefined || hasSameKids(copy, wanted);
  };
  const publishIfChanged = async (write: NonNullable<typeof publish>): Promise<void> => {
    const wanted = documents();
    if (wanted === undefined) return;
    const text = JSON.stringify(wanted);
    if (text === published && (await isPublic(wanted))) return;
    const limit = { ms: PUBLISH_TIMEOUT_MS, what: 'publication of documents' };
    await withTimeout(limit, (signal) => write(wanted, signal));
    published = text;
    onPublished();
  };
  const loop =
    publish &&
    startReconcileLoop({
      reconcile: async () => {
        await publishIfChanged(publish);
        return EVERY_MS;
      },
      onFailure: (error) => onFailure("the issuer's documents are not published", error),
      retry: RETRY,
      random,
    });
  return {
    fetchPublicCopy,
    wake: () => loop?.wake(),
    stop: () => loop?.stop(),
  };
};

/** Where nobody says how long copies live, some do for long. */
const DEFAULT_MAX_AGE_SECONDS = 3_600;

/**
 * Which keys a document shows, and for how long others may hold a copy (RFC 9111, section 5.2.2.1):
 * never less than we tell those who ask us, since clouds have caches of their own.
 *
 * @throws LoggableError when it is no JWKS
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

/** The JWKS among the documents; order matters, since Ceph RGW looks at the first key alone. */
const hasSameKids = ({ kids }: PublishedKeys, wanted: readonly IssuerDocument[]): boolean =>
  wanted.some(({ body }) => parseKids(body)?.join() === kids.join());
