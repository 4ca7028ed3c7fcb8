import type { Usage } from '../contract/usage.ts';
import type { Position } from './chain.ts';
import { createGroupCommit } from './group-commit.ts';
import type { Head } from './heads.ts';
import { createChainWriter, type ChainWriter, type ChainWriterSettings } from './chain-writer.ts';
import { AuditError, type AuditEvent, type Recorder } from './audit-event.ts';
import { createCombinedSink, type Sink } from './sinks.ts';
import { resumeChain, type FileEnd } from './chain-resume.ts';
import { readPublicKeys } from './sealing-keys.ts';

/** Limits of events in one write, and of waiting events. */
const MAX_BATCH = 512;
const MAX_WAITING = 8_192;

export type RecorderSettings = ChainWriterSettings & {
  /** Every sink stores every record; the one that survives a crash is first. */
  readonly sinks: readonly Sink[];
  readonly resumeFrom: {
    /** Ends of the two newest files, the newest first; absent: no sink can be read. */
    readonly ends?: readonly FileEnd[];
    /** The published head of this replica; absent: none yet. */
    readonly published?: Head;
  };
  readonly observer?: RecorderObserver;
};

export type RecorderObserver = {
  /** Called for each event with the bytes of its record, before it is written. */
  readonly composed?: (event: AuditEvent, bytes: number) => void;
  /** Called after each write with the number of lines, including checkpoints. */
  readonly written: (batch: { readonly lines: number; readonly seconds: number }) => void;
  /** Called for each failed write. All events fail until the next {@link RecorderObserver.written}. */
  readonly failed: (error: AuditError) => void;
};

export type ChainRecorder = {
  readonly record: Recorder;
  /** Seals records that are not sealed yet. @throws AuditError */
  readonly checkpoint: () => Promise<void>;
  /** Records that the records up to these positions are about to be removed. @throws AuditError */
  readonly prune: (positions: readonly Position[]) => Promise<void>;
  /** Events that wait for a write. */
  readonly queue: () => Usage;
  /** The newest sealed record that every sink has stored. */
  readonly head: () => Head;
  /** Rejects new events, seals the chain and closes every sink. @throws AuditError when the last record failed */
  readonly close: () => Promise<void>;
};

type Entry = (writer: ChainWriter) => readonly string[];

/**
 * Continues or starts the chain of this replica and writes its first record. Concurrent events are
 * written and synced together; each resolves when every sink has stored it. When a sink fails, all
 * waiting events fail, and so does each later event until a write succeeds.
 *
 * @throws AuditError when the first record cannot be stored
 */
export const createRecorder = async (settings: RecorderSettings): Promise<ChainRecorder> => {
  const { sinks, resumeFrom, clock, key, observer } = settings;
  const writer = createChainWriter(
    resumeChain(resumeFrom, readPublicKeys(key.publicKey)),
    settings,
  );
  const sink = createCombinedSink(sinks);
  let head: Head | undefined;
  let isClosed = false;
  let hasFailed = false;

  const write = async (lines: readonly string[]): Promise<void> => {
    // `settle` has stored the lines of a failed write, so report success even without new lines.
    if (lines.length === 0 && !hasFailed) return;
    const startedAt = clock.monotonic();
    if (lines.length > 0) {
      await sink.append(lines.map((line) => `${line}\n`).join(''), writer.isSealed());
    }
    hasFailed = false;
    const seconds = (clock.monotonic() - startedAt) / 1000;
    observer?.written({ lines: lines.length, seconds });
  };
  const commit = async (entries: readonly Entry[]): Promise<readonly (Error | undefined)[]> => {
    try {
      await sink.settle();
      const composed = entries.map((entry) => composeEntry(entry, writer));
      const lines = composed.flatMap((entry) => entry.lines);
      await write(lines.length > 0 && sink.isFull() ? [...lines, ...writer.checkpoint()] : lines);
      head = writer.sealed();
      return composed.map(({ error }) => error);
    } catch (error) {
      hasFailed = true;
      throw reportFailure(error, observer);
    }
  };
  const { append, countWaiting } = createGroupCommit<Entry>({
    commit,
    maxBatch: MAX_BATCH,
    maxWaiting: MAX_WAITING,
    refuse: () => new AuditError('overloaded', `expected at most ${MAX_WAITING} waiting records`),
  });
  const checkOpen = (): void => {
    if (isClosed) throw new AuditError('closed', 'expected an open audit chain, got a closed one');
  };

  await append((chain) => chain.start()).catch(async (error: unknown) => {
    await sink.close();
    throw error;
  });
  return {
    record: async (event: AuditEvent) => {
      checkOpen();
      await append((chain) => {
        const lines = chain.event(event);
        observer?.composed?.(event, Buffer.byteLength(lines[0] ?? '') + 1);
        return lines;
      });
    },
    checkpoint: async () => {
      checkOpen();
      await append((chain) => chain.checkpoint());
    },
    prune: async (positions) => {
      checkOpen();
      await append((chain) => chain.prune(positions));
    },
    queue: () => ({ used: countWaiting(), max: MAX_WAITING }),
    head: () => head ?? throwNotStarted(),
    close: async () => {
      checkOpen();
      isClosed = true;
      await append((chain) => chain.close()).finally(sink.close);
    },
  };
};

/** An event that cannot be encoded fails without affecting others. */
const composeEntry = (
  entry: Entry,
  writer: ChainWriter,
): { lines: readonly string[]; error?: Error } => {
  try {
    return { lines: entry(writer) };
  } catch (cause) {
    return { lines: [], error: new AuditError('bad_event', 'expected an event', { cause }) };
  }
};

const reportFailure = (error: unknown, observer: RecorderObserver | undefined): AuditError => {
  const known =
    error instanceof AuditError
      ? error
      : new AuditError('sink_failed', 'a sink failed to store records', { cause: error });
  observer?.failed(known);
  return known;
};

const throwNotStarted = (): never => {
  throw new AuditError('closed', 'expected an audit chain that has started');
};
