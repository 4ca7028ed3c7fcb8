import { createGroupCommit } from './group-commit.ts';
import type { Head } from './heads.ts';
import { createChainWriter, type ChainWriter, type ChainWriterSettings } from './chain-writer.ts';
import { AuditError, type AuditEvent, type Recorder } from './audit-event.ts';
import { createCombinedSink, type Sink } from './sinks.ts';
import { resumeChain, type FileEnd } from './chain-resume.ts';

/** Events written at once, and events that may wait, at most. */
const MAX_BATCH = 512;
const MAX_WAITING = 8_192;

export type RecorderSettings = ChainWriterSettings & {
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

export type ChainRecorder = {
  readonly record: Recorder;
  /** Seals what is not sealed yet. @throws AuditError */
  readonly checkpoint: () => Promise<void>;
  /** The newest sealed record that every sink keeps. */
  readonly head: () => Head;
  /** Refuses what comes, seals and closes every sink. @throws AuditError when the last record failed */
  readonly close: () => Promise<void>;
};

type Entry = (journal: ChainWriter) => readonly string[];

/**
 * Opens this replica's chain of records and writes its first one. Events that come together are
 * written and synced together; each resolves once every sink keeps it. Where one does not, everything
 * that waits fails, and each later event fails until a write works again.
 *
 * @throws AuditError when the first record cannot be kept
 */
export const createRecorder = async (settings: RecorderSettings): Promise<ChainRecorder> => {
  const { sinks, resumeFrom, clock, observer } = settings;
  const writer = createChainWriter(resumeChain(resumeFrom), settings);
  const places = createCombinedSink(sinks);
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
      const composed = entries.map((entry) => composeEntry(entry, writer));
      await write(composed.flatMap(({ lines }) => lines));
      head = writer.sealed();
      return composed.map(({ error }) => error);
    } catch (error) {
      hasFailed = true;
      throw reportFailure(error, observer);
    }
  };
  const append = createGroupCommit<Entry>({
    commit,
    most: MAX_BATCH,
    mostWaiting: MAX_WAITING,
    refuse: () => new AuditError('overloaded', `expected at most ${MAX_WAITING} waiting records`),
  });
  const checkOpen = (): void => {
    if (isClosed) throw new AuditError('closed', 'expected an open chain of records, got a closed');
  };

  await append((chain) => chain.start()).catch(async (error: unknown) => {
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
    head: () => head ?? throwNotStarted(),
    close: async () => {
      checkOpen();
      isClosed = true;
      await append((chain) => chain.close()).finally(places.close);
    },
  };
};

/** An event that cannot be written down fails alone. */
const composeEntry = (
  entry: Entry,
  journal: ChainWriter,
): { lines: readonly string[]; error?: Error } => {
  try {
    return { lines: entry(journal) };
  } catch (cause) {
    return { lines: [], error: new AuditError('bad_event', 'expected an event', { cause }) };
  }
};

const reportFailure = (error: unknown, observer: RecorderObserver | undefined): AuditError => {
  const known =
    error instanceof AuditError
      ? error
      : new AuditError('sink_failed', 'a sink does not keep records', { cause: error });
  observer?.failed(known);
  return known;
};

const throwNotStarted = (): never => {
  throw new AuditError('closed', 'expected a chain of records that has begun');
};
