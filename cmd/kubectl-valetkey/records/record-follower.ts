import { INSTALLED } from '../../../lib/contract/names.ts';
import { createLruCache } from '../../../lib/async/lru-cache.ts';
import type { ClusterClient } from '../cluster.ts';
import { readPart } from '../api-errors.ts';
import { readRecord, type FoundRecord } from './record-filter.ts';

/** What was new in the logs of the authority's replicas. */
export type Followed = {
  /** The oldest first. */
  readonly records: readonly FoundRecord[];
  /** What could not be read. */
  readonly problems: readonly string[];
  /** Logs that begin later than was asked for: after a start, or because the kubelet replaced the file. */
  readonly notes: readonly string[];
};

const MAX_LOG_BYTES = 16 * 1024 * 1024;
/** The clocks of node and tool differ, and a read takes time: what is read again is recognized. */
const OVERLAP_SECONDS = 30;
/** Records of many overlaps. */
const MAX_REMEMBERED = 100_000;

/**
 * Creates a reader that returns each record of the replicas once. It reads their logs again instead of a stream, so
 * that restarts and lost connections need no care.
 *
 * @param since milliseconds since the epoch
 */
export const createRecordFollower = (
  cluster: Pick<ClusterClient, 'readAuthority' | 'readAuthorityLog'>,
  { since, now }: { readonly since: number; readonly now: () => number },
): (() => Promise<Followed>) => {
  const seen = createLruCache<true>(MAX_REMEMBERED);
  const knownUntil = new Map<string, number>();
  const readReplica = async (pod: string) => {
    const readAt = now();
    const from = knownUntil.get(pod) ?? since;
    const windowSeconds = Math.ceil((readAt - from) / 1000) + OVERLAP_SECONDS;
    const part = await readPart(
      cluster.readAuthorityLog({ pod, windowSeconds, maxBytes: MAX_LOG_BYTES, now: readAt }),
    );
    if ('unknown' in part) return { text: '', problems: [part.unknown], notes: [] };
    const { text, knownSince } = part.value;
    knownUntil.set(pod, readAt);
    const isGap = knownSince > from;
    const gap = `${pod}: records before ${new Date(knownSince).toISOString()} may be missing: its log begins there`;
    return { text, problems: [], notes: isGap ? [gap] : [] };
  };
  return async () => {
    const replicas = (await cluster.readAuthority())?.wanted ?? 0;
    if (replicas === 0)
      return { records: [], problems: ['the authority has no replicas'], notes: [] };
    const names = Array.from({ length: replicas }, (_, at) => `${INSTALLED.authority}-${at}`);
    const logs = await Promise.all(names.map(readReplica));
    const records = logs
      .flatMap(({ text }) => text.split('\n'))
      .map(readRecord)
      .filter((record) => record !== undefined)
      .filter(({ hash, shown }) => {
        const isNew = seen.get(hash) === undefined && shown.at >= since;
        seen.set(hash, true);
        return isNew;
      })
      .sort((one, other) => one.shown.at - other.shown.at);
    return {
      records,
      problems: logs.flatMap(({ problems }) => problems),
      notes: logs.flatMap(({ notes }) => notes),
    };
  };
};
