import { createReadStream, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readCallLine, type CallLine } from '../../lib/audit/call-line.ts';
import { verifyCalls, type RecordedHead } from '../../lib/audit/call-verification.ts';
import { NOTHING_BEFORE } from '../../lib/audit/chain.ts';

export type JournalLine = Pick<CallLine, 'run' | 'seq' | 'outcome' | 'count' | 'resources'>;

/** What a record `run.calls` states: the lines of one run from the first to the last of these numbers. */
export type RecordedCalls = RecordedHead & { readonly from: number };

/** How what the cloud received, the lines of the journal and the records of the authority agree. */
export type JournalFigures = {
  /** Requests that the cloud received, repeats included. */
  readonly received: number;
  /** Of these without a line. */
  readonly withoutLine: number;
  /** Calls that have a line, also those that were refused, in a run that was known. */
  readonly journaled: number;
  /** Of these whose line no record states. */
  readonly withoutRecord: number;
  /** Faults that the check of `kubectl valetkey audit verify --calls` finds. */
  readonly verificationFaults: number;
};

/** The lines of the journal in what a sidecar wrote to its standard output. */
export const readJournal = (file: string): readonly JournalLine[] =>
  readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((text) => {
      const reading = readCallLine(text);
      return reading.kind === 'call' ? [reading.line] : [];
    });

type CallsRecord = {
  readonly session?: { readonly uid?: string };
  readonly unmapped?: {
    readonly kind?: string;
    readonly calls?: { readonly from: number; readonly to: number; readonly hash: string };
  };
};

/** The records `run.calls` in the files of an authority. A run without calls has none. */
export const readRecordedCalls = (folder: string): readonly RecordedCalls[] => {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((file) =>
      readFileSync(join(folder, file), 'utf8')
        .split('\n')
        .flatMap((text, index) => readCallsRecord(text, { file, line: index + 1 })),
    );
};

const readCallsRecord = (
  text: string,
  place: { readonly file: string; readonly line: number },
): readonly RecordedCalls[] => {
  if (!text.includes('"run.calls"')) return [];
  const { session, unmapped } = parseRecord(text);
  const { kind, calls } = unmapped ?? {};
  return kind === 'run.calls' && calls !== undefined && calls.hash !== NOTHING_BEFORE
    ? [{ ...place, run: session?.uid ?? '', from: calls.from, to: calls.to, hash: calls.hash }]
    : [];
};

/** A process that was killed leaves a partial line, and a process that reads while one is written sees it. */
const parseRecord = (text: string): CallsRecord => {
  try {
    return JSON.parse(text) as CallsRecord;
  } catch {
    return {};
  }
};

const countCalls = (lines: readonly JournalLine[]): number =>
  lines.reduce((sum, { count = 1 }) => sum + count, 0);

/** Lines of runs that no record states. */
export const listUnrecorded = (
  lines: readonly JournalLine[],
  recorded: readonly RecordedCalls[],
): readonly JournalLine[] => {
  const byRun = Map.groupBy(recorded, ({ run }) => run);
  return lines.filter(
    ({ run, seq }) =>
      run !== undefined && !(byRun.get(run) ?? []).some(({ from, to }) => from <= seq && seq <= to),
  );
};

/**
 * Compares what the cloud received with lines and records. Lines of several calls do not name their objects: they
 * count for as many calls as they state.
 */
export const compareCalls = (
  received: readonly string[],
  lines: readonly JournalLine[],
  recorded: readonly RecordedCalls[],
): Omit<JournalFigures, 'verificationFaults'> => {
  const named = new Set(lines.flatMap(({ resources }) => resources));
  const merged = lines.filter(({ count, outcome }) => count !== undefined && outcome !== 'refused');
  const unnamed = received.filter((resource) => !named.has(resource)).length;
  return {
    received: received.length,
    withoutLine: Math.max(0, unnamed - countCalls(merged)),
    journaled: countCalls(lines.filter(({ run }) => run !== undefined)),
    withoutRecord: countCalls(listUnrecorded(lines, recorded)),
  };
};

/** Compares them as they are in files, and verifies the chains of the journal. */
export const readJournalFigures = async (
  received: readonly string[],
  { journal, auditFolder }: { readonly journal: string; readonly auditFolder: string },
): Promise<JournalFigures> => {
  const recorded = readRecordedCalls(auditFolder);
  const { faultCount } = await verifyCalls([{ name: journal, chunks: createReadStream(journal) }], {
    heads: recorded,
  });
  return {
    ...compareCalls(received, readJournal(journal), recorded),
    verificationFaults: faultCount,
  };
};
