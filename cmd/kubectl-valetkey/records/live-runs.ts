import type { Revocation } from '../../../lib/contract/authority-api.ts';
import { indexRevocations } from '../../../lib/revocation/matching.ts';
import { readRevocation } from '../../../lib/revocation/revocation.ts';
import type { ClusterClient } from '../cluster.ts';
import type { ReadRecords, RecordLog, ShownRecord } from './shown-records.ts';

/** A run whose credentials still work, as far as the records say. */
export type LiveRun = ShownRecord & { readonly deadline: number };

/** `run.redecided` is recorded only for denials, which end the run. */
const ENDS = new Set(['run.ended', 'run.redecided']);

type LiveRunsDeps = {
  readonly cluster: Pick<ClusterClient, 'listRevocations'>;
  readonly readRecords: ReadRecords;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
};

export type LiveRunsData = Pick<RecordLog, 'knownSince' | 'problems'> & {
  readonly runs: readonly LiveRun[];
};

/** Reads the live runs of every replica. @throws ToolError, KubernetesError */
export const readLiveRuns = async ({
  cluster,
  readRecords,
  now,
}: LiveRunsDeps): Promise<LiveRunsData> => {
  const [{ records, ...log }, revocations] = await Promise.all([
    readRecords(),
    cluster.listRevocations(),
  ]);
  const parsed = revocations.map(readRevocation).flatMap((each) => (each.ok ? [each.value] : []));
  return { ...log, runs: listLiveRuns(records, parsed satisfies Revocation[], now()) };
};

/**
 * Lists the runs that were issued, did not end, are not revoked and whose deadline is ahead; the newest first.
 *
 * @param now milliseconds since the epoch
 */
export const listLiveRuns = (
  records: readonly ShownRecord[],
  revocations: readonly Revocation[],
  now: number,
): readonly LiveRun[] => {
  const ended = new Set(records.filter(({ kind }) => ENDS.has(kind)).map(({ run }) => run));
  const { find } = indexRevocations(revocations);
  return records
    .filter(isIssued)
    .filter((run) => run.deadline > now && !ended.has(run.run) && find(run, run.at) === undefined)
    .reverse();
};

const isIssued = (record: ShownRecord): record is LiveRun =>
  record.kind === 'run.issued' && record.run !== '' && record.deadline !== undefined;

/** What the page of decisions shows: not what only accompanies a decision, such as the intent of a run. */
const DECISIONS = new Set([
  'run.issued',
  'run.refused',
  'run.ended',
  'run.end_refused',
  'run.redecided',
  'call.refused',
  'stream.refused',
  'approval.requested',
  'approval.used',
  'approval.denied',
  'revocation.observed',
  'policy.changed',
]);

export const MAX_DECISIONS = 200;

/** Lists the last decisions, the newest first. */
export const listDecisions = (records: readonly ShownRecord[]): readonly ShownRecord[] =>
  records
    .filter(({ kind }) => DECISIONS.has(kind))
    .slice(-MAX_DECISIONS)
    .reverse();
