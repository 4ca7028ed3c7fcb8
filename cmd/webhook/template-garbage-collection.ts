/**
 * When each profile was last published or seen on a live pod, as an annotation of the ConfigMap: the
 * first 40 digits of the hash (an annotation's name holds no 64), and the time, ISO 8601.
 */
const SEEN_PREFIX = 'seen.valetkey.dev/';
/** The same, when a replica last injected by it. */
const PUBLISHED_PREFIX = 'published.valetkey.dev/';
const HASH_DIGITS = 40;

/** A replica publishes each ten minutes: what nobody has named for an hour is nobody's. */
const GRACE_MS = 3_600_000;
/** Younger stamps are left alone: a write wakes every watch. */
const STAMP_AGE_MS = 300_000;

/**
 * Live pods keep a profile for years, and a copy of such a pod is a new pod: only what a replica
 * published within two rounds of theirs may be injected still.
 */
const CURRENT_MS = 1_200_000;

export const formatSeenAnnotation = (hash: string): string =>
  `${SEEN_PREFIX}${hash.slice(0, HASH_DIGITS)}`;

export const formatPublishedAnnotation = (hash: string): string =>
  `${PUBLISHED_PREFIX}${hash.slice(0, HASH_DIGITS)}`;

/** Whether new pods may name the profile: some replica still injects by it. */
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
 * Decides which profiles go: those that no live pod has named, and no replica has published, for an
 * hour. A profile without a stamp is given one, and thereby its hour.
 *
 * @param live hashes that live pods name; our own is always live
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

/** A time as its annotation writes it. */
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
