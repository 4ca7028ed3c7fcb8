import { readLine } from '../../../lib/audit/record-reader.ts';
import { INSTALLED } from '../../../lib/contract/names.ts';
import { toMapping, type Mapping } from '../../../lib/schema/mapping.ts';
import { createTtlCache } from '../../../lib/async/ttl-cache.ts';
import type { ClusterClient } from '../cluster.ts';
import { readClusterPlatform } from '../platform-settings.ts';
import { readPart } from '../api-errors.ts';

/** What the console shows of a record of the authority. Its texts are untrusted. */
export type ShownRecord = {
  readonly kind: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly run: string;
  /** ID of the request that caused it; empty: none. */
  readonly request: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
  readonly podUid: string;
  readonly consumer: string;
  readonly task: string;
  /** Who the agent acts for; empty: no user. */
  readonly user: string;
  /** Stable code, and a message. */
  readonly code: string;
  readonly message: string;
  readonly policies: readonly string[];
  /** Name of what a record is about that is not about a run. */
  readonly subject: string;
  /** How many events it counts; 1 for most. */
  readonly count: number;
  readonly deadline: number | undefined;
  readonly actions: readonly string[];
  readonly resources: readonly string[];
};

/** The records that the authority's replicas still have in their logs. */
export type RecordLog = {
  /** Of every replica, the oldest first. */
  readonly records: readonly ShownRecord[];
  /** Since when every replica's records are known; milliseconds since the epoch. */
  readonly knownSince: number;
  /** Why the records of a replica are missing. */
  readonly problems: readonly string[];
};

/** @throws ToolError under `trust: cluster`, or without settings; KubernetesError */
export type ReadRecords = () => Promise<RecordLog>;

/** Of the log of one replica. */
const MAX_LOG_BYTES = 16 * 1024 * 1024;
/** A run's records may come a little after its deadline. */
const MARGIN_SECONDS = 60;
/** Pages that are opened one after the other share what was read. */
const MAX_AGE_MS = 3_000;

/** Creates the reader of records. Every file is read through the API server, with the rights of the user. */
export const createRecordsReader = (
  cluster: ClusterClient,
  { now, monotonic }: { readonly now: () => number; readonly monotonic: () => number },
): ReadRecords => {
  const load = () => readRecords(cluster, now());
  const cached = createTtlCache({ load, ttlMs: MAX_AGE_MS, maxEntries: 1, monotonic });
  return () => cached('records');
};

const readRecords = async (cluster: ClusterClient, now: number): Promise<RecordLog> => {
  const { tasks } = await readClusterPlatform(cluster);
  const windowSeconds = tasks.maxLifetimeSeconds + MARGIN_SECONDS;
  const replicas = (await cluster.readAuthority())?.wanted ?? 0;
  const logs = await Promise.all(
    Array.from({ length: replicas }, (_, at) => {
      const pod = `${INSTALLED.authority}-${at}`;
      const request = { pod, windowSeconds, maxBytes: MAX_LOG_BYTES, now };
      return readPart(cluster.readAuthorityLog(request));
    }),
  );
  const problems = logs.flatMap((log) => ('unknown' in log ? [log.unknown] : []));
  const read = logs.flatMap((log) => ('value' in log ? [log.value] : []));
  const isWhole = replicas > 0 && problems.length === 0;
  return {
    records: parseRecords(read.map(({ text }) => text)),
    knownSince: isWhole ? Math.max(...read.map(({ knownSince }) => knownSince)) : now,
    problems: replicas === 0 ? ['the authority has no replicas'] : problems,
  };
};

/** Parses the records in the logs of all replicas. A log may have a record twice, and other lines. */
export const parseRecords = (logs: readonly string[]): readonly ShownRecord[] => {
  const found = new Map<string, ShownRecord>();
  for (const line of logs.flatMap((text) => text.split('\n'))) {
    const reading = line.startsWith('{') ? readLine(line) : undefined;
    if (reading?.ok !== true) continue;
    found.set(reading.record.position.hash, toShownRecord(reading.record.body));
  }
  return [...found.values()].sort((one, other) => one.at - other.at);
};

/** What is shown of a record; members of another form become empty. */
export const toShownRecord = (body: Mapping): ShownRecord => {
  const ours = toMapping(body['unmapped']);
  const session = toMapping(body['session']);
  const actor = toMapping(body['actor']);
  const { subject, issuer } = toMapping(ours['user']);
  const deadline = session['expiration_time'];
  return {
    kind: toText(ours['kind']),
    at: toNumber(body['time']) ?? 0,
    run: toText(session['uid']) || toText(ours['run']),
    request: toText(toMapping(body['metadata'])['correlation_uid']),
    namespace: toText(ours['namespace']),
    serviceAccount: toText(toMapping(actor['user'])['name']).split(':')[3] ?? '',
    pod: toText(ours['pod']),
    podUid: toText(ours['pod_uid']),
    consumer: toText(actor['app_name']),
    task: toText(ours['task']),
    user: typeof subject === 'string' ? `${subject} of ${toText(issuer)}` : '',
    code: toText(body['status_code']) || toText(session['expiration_reason']),
    message: toText(body['message']),
    policies: toList(actor['authorizations']).map((each) =>
      toText(toMapping(toMapping(each)['policy'])['name']),
    ),
    subject: toText(toMapping(body['entity'])['name']) || toText(ours['subject']),
    count: toNumber(body['count']) ?? 1,
    deadline: toNumber(deadline),
    actions: toList(body['privileges']).map(toText),
    resources: toList(ours['resources']).map(toText),
  };
};

const toText = (value: unknown): string => (typeof value === 'string' ? value : '');
const toList = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** A time of a record may be any number: only those that a date can have are shown. */
const toNumber = (value: unknown): number | undefined =>
  typeof value === 'number' && Math.abs(value) <= 8.64e15 ? value : undefined;
