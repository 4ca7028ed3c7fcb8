import { groupCommit } from './group-commit.ts';
import type { Head } from './heads.ts';
import { openJournal, type Journal, type JournalSettings } from './journal.ts';
import { AuditError, type AuditEvent, type Recorder } from './record.ts';
import { openSinks, type Sink } from './sinks.ts';
import { chooseBeginning, type FileEnd } from './tail.ts';

/** Events written at once, and events that may wait, at most. */
const MOST_AT_ONCE = 512;
const MOST_WAITING = 8_192;

export type RecorderSettings = JournalSettings & {
  /** All of them keep every record; the one that survives a crash comes first. */
  readonly sinks: readonly Sink[];
  readonly resumeFrom: {
    /** Of the two newest files, the newest first; absent: no sink can be read again. */
    readonly ends?: readonly FileEnd[];
    /** What the cluster knows of this replica; absent: nothing yet. */
    readonly published?: Head;
  };
  readonly observer?: RecorderObserver;
};

export type RecorderObserver = {
  /** Lines, checkpoints included, that are kept now. */
  readonly written: (batch: { readonly lines: number; readonly seconds: number }) => void;
  /** Once for each write that failed: until the next {@link RecorderObserver.written} all is refused. */
  readonly failed: (error: AuditError) => void;
};

export type OpenRecorder = {
  readonly record: Recorder;
  /** Seals what is not sealed yet. @throws AuditError */
  readonly checkpoint: () => Promise<void>;
  /** The newest sealed record that every sink keeps. */
  readonly head: () => Head;
  /** Refuses what comes, seals and closes every sink. @throws AuditError when the last record failed */
  readonly close: () => Promise<void>;
};

type Entry = (journal: Journal) => readonly string[];

/**
 * Opens this replica's chain of records and writes its first one. Events that come together are
 * written and synced together; each resolves once every sink keeps it. Where one does not, everything
 * that waits fails, and each later event fails until a write works again.
 *
 * @throws AuditError when the first record cannot be kept
 */
export const openRecorder = async (settings: RecorderSettings): Promise<OpenRecorder> => {
  const { sinks, resumeFrom, clock, observer } = settings;
  const journal = openJournal(chooseBeginning(resumeFrom), settings);
  const places = openSinks(sinks);
  let head: Head | undefined;
  let isClosed = false;
  let hasFailed = false;

  const write = async (lines: readonly string[]): Promise<void> => {
    // What was owed since a failure is kept by now, even where nothing is added to it.
    if (lines.length === 0 && !hasFailed) return;
    const startedAt = clock.monotonic();
    if (lines.length > 0) await places.append(lines.map((line) => `${line}\n`).join(''));
    hasFailed = false;
    const seconds = (clock.monotonic() - startedAt) / 1000;
    observer?.written({ lines: lines.length, seconds });
  };
  const commit = async (entries: readonly Entry[]): Promise<readonly (Error | undefined)[]> => {
    try {
      await places.settle();
      const composed = entries.map((entry) => compose(entry, journal));
      await write(composed.flatMap(({ lines }) => lines));
      head = journal.sealed();
      return composed.map(({ error }) => error);
    } catch (error) {
      hasFailed = true;
      throw told(error, observer);
    }
  };
  const append = groupCommit<Entry>({
    commit,
    most: MOST_AT_ONCE,
    mostWaiting: MOST_WAITING,
    refuse: () => new AuditError('overloaded', `expected at most ${MOST_WAITING} waiting records`),
  });
  const checkOpen = (): void => {
    if (isClosed) throw new AuditError('closed', 'expected an open chain of records, got a closed');
  };

  await append((chain) => chain.begin()).catch(async (error: unknown) => {
    await places.close();
    throw error;
  });
  return {
    record: async (event: AuditEvent) => {
      checkOpen();
      await append((chain) => chain.event(event));
    },
    checkpoint: async () => {
      checkOpen();
      await append((chain) => chain.checkpoint());
    },
    head: () => head ?? unbegun(),
    close: async () => {
      checkOpen();
      isClosed = true;
      await append((chain) => chain.close()).finally(places.close);
    },
  };
};

/** An event that cannot be written down fails alone. */
const compose = (entry: Entry, journal: Journal): { lines: readonly string[]; error?: Error } => {
  try {
    return { lines: entry(journal) };
  } catch (cause) {
    return { lines: [], error: new AuditError('bad_event', 'expected an event', { cause }) };
  }
};

const told = (error: unknown, observer: RecorderObserver | undefined): AuditError => {
  const known =
    error instanceof AuditError
      ? error
      : new AuditError('sink_failed', 'a sink does not keep records', { cause: error });
  observer?.failed(known);
  return known;
};

const unbegun = (): never => {
  throw new AuditError('closed', 'expected a chain of records that has begun');
};
