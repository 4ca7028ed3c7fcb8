/**
 * Annotation of the ConfigMap: when a template was last published or seen on a running pod. The name
 * has the first 40 digits of the hash (64 are too long), the value is an ISO 8601 time.
 */
const SEEN_PREFIX = 'seen.valetkey.dev/';
/** The same for the last publication by a replica. */
const PUBLISHED_PREFIX = 'published.valetkey.dev/';
const HASH_DIGITS = 40;

/** Replicas publish every ten minutes: a template without a use for an hour is unused. */
const GRACE_MS = 3_600_000;
/** Newer timestamps are not renewed, because a write triggers every watch. */
const STAMP_AGE_MS = 300_000;

/**
 * Running pods may name a template for years, and a copy of such a pod is a new pod. New pods may name
 * only templates that a replica published within its last two intervals.
 */
const CURRENT_MS = 1_200_000;

export const formatSeenAnnotation = (hash: string): string =>
  `${SEEN_PREFIX}${hash.slice(0, HASH_DIGITS)}`;

export const formatPublishedAnnotation = (hash: string): string =>
  `${PUBLISHED_PREFIX}${hash.slice(0, HASH_DIGITS)}`;

/** Whether new pods may name the template: a replica still injects it. */
export const isCurrent = (
  { annotations }: Pick<TemplatesState, 'annotations'>,
  { hash, now }: { readonly hash: string; readonly now: number },
): boolean => {
  const published = annotations[formatPublishedAnnotation(hash)];
  return !isUnreadable(published) && now - Date.parse(published) <= CURRENT_MS;
};

export type TemplatesState = {
  readonly data: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
};

/** Members to set; null removes one. */
export type TemplatesChange = {
  readonly data: Readonly<Record<string, null>>;
  readonly annotations: Readonly<Record<string, string | null>>;
};

/**
 * Decides which templates to delete: those that no running pod named and no replica published for an
 * hour. A template without a timestamp gets one, and stays for an hour.
 *
 * @param live hashes that running pods name, and the hashes of this replica
 */
export const collectTemplates = (
  { data, annotations }: TemplatesState,
  { live, now }: { readonly live: ReadonlySet<string>; readonly now: number },
): TemplatesChange => {
  const hashes = Object.keys(data);
  const isDue = (hash: string): boolean =>
    !live.has(hash) && now - readSeenAt(annotations, hash, now) > GRACE_MS;
  const unused = hashes.filter(isDue);
  const kept = hashes.filter((hash) => !unused.includes(hash));
  const stale = kept.filter((hash) => {
    const seen = annotations[formatSeenAnnotation(hash)];
    return isUnreadable(seen) || (live.has(hash) && now - Date.parse(seen) > STAMP_AGE_MS);
  });
  const known = new Set(
    kept.flatMap((hash) => [formatSeenAnnotation(hash), formatPublishedAnnotation(hash)]),
  );
  const orphans = Object.keys(annotations).filter(
    (name) => isTimestampAnnotation(name) && !known.has(name),
  );
  return {
    data: Object.fromEntries(unused.map((hash) => [hash, null])),
    annotations: {
      ...Object.fromEntries(orphans.map((name) => [name, null])),
      ...Object.fromEntries(
        stale.map((hash) => [formatSeenAnnotation(hash), formatTimestamp(now)]),
      ),
    },
  };
};

const isTimestampAnnotation = (name: string): boolean =>
  name.startsWith(SEEN_PREFIX) || name.startsWith(PUBLISHED_PREFIX);

/** The time in the format of the annotations. */
export const formatTimestamp = (now: number): string => new Date(now).toISOString();

const readSeenAt = (
  annotations: TemplatesState['annotations'],
  hash: string,
  now: number,
): number => {
  const seen = annotations[formatSeenAnnotation(hash)];
  return isUnreadable(seen) ? now : Date.parse(seen);
};

const isUnreadable = (seen: string | undefined): seen is undefined =>
  seen === undefined || Number.isNaN(Date.parse(seen));
