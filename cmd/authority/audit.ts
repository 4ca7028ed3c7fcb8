import { randomBytes } from 'node:crypto';

import {
  createHeadPublisher,
  MAX_UNPUBLISHED_MS,
  PUBLIC_KEYS_NAME,
  readHead,
  renderHead,
  type Head,
  type HeadPublisher,
} from '../../lib/audit/heads.ts';
import { AuditError, type Recorder } from '../../lib/audit/audit-event.ts';
import {
  createRecorder,
  type ChainRecorder,
  type RecorderObserver,
} from '../../lib/audit/recorder.ts';
import { VERSION } from '../../lib/contract/version.ts';
import { getRequestId } from '../../lib/async/request-context.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import { listUnpublishedLines, type FileEnd } from '../../lib/audit/chain-resume.ts';
import type { Sink } from '../../lib/audit/sinks.ts';
import { createFileExports, type FileExports } from '../../lib/audit/file-exports.ts';
import { createPruner, type RetentionOptions } from '../../lib/audit/retention.ts';
import { readPublicKeys } from '../../lib/audit/sealing-keys.ts';
import { createAuditFiles, type AuditFiles } from '../../lib/edge/disk/audit-files.ts';
import { createStandardOutputSink } from '../../lib/edge/disk/standard-output.ts';
import { readVolumeSpace } from '../../lib/edge/disk/volume-space.ts';
import type { ConfigMapStore } from '../../lib/edge/kubernetes/config-maps.ts';
import type { AuditKeys } from './audit-keys.ts';
import { startAuditLoop } from './audit-retention.ts';
import { AUDIT_VOLUME_SHARE, type AuthorityConfig } from './config.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';

export type Audit = {
  /** Refuses everything until the first head is published, and intents while none can be. */
  readonly record: Recorder;
  /** Events that wait for a write. */
  readonly queue: ChainRecorder['queue'];
  /** Whether the published head is current, so that runs may be issued. */
  readonly isPublished: () => boolean;
  /** The files to export; absent: there are none, or they are not exported. */
  readonly exports?: FileExports;
  /** Seals the remaining records, publishes the last head, and closes every sink. */
  readonly close: () => Promise<void>;
};

export type AuditConfig = Pick<
  AuthorityConfig,
  'podName' | 'auditFolder' | 'auditMaxBytes' | 'auditVolumeBytes' | 'auditRetainSeconds'
>;

export type AuditObserver = RecorderObserver & {
  /** Called for each record that is refused because no head could be published. */
  readonly refused: (error: AuditError) => void;
};

export type AuditDeps = {
  readonly keys: Pick<AuditKeys, 'sealing'>;
  readonly heads: ConfigMapStore;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly observer: AuditObserver;
  /** Standard output; tests replace it. */
  readonly output: Parameters<typeof createStandardOutputSink>[0];
  /** Whether files are removed only after they were exported. */
  readonly isExporting: boolean;
  /** The file system of the audit folder; tests replace it. */
  readonly readSpace?: typeof readVolumeSpace;
};

const MAX_FILE_BYTES = 64 * 1024 * 1024;
/** Files are removed as a whole: each has at most this share of the maximum size and age. */
const FILES_IN_LIMIT = 8;

/**
 * Opens this replica's audit chain, written to files on its volume, if it has one, and to standard
 * output. The newest head is published every five seconds. Before the first head of this process is
 * published, nothing else is recorded: until then, a user of the volume could remove all its records and no
 * trace of the process would be left. Nothing is issued while none could be published for
 * {@link MAX_UNPUBLISHED_MS}. Once records are on
 * standard output and covered by a published head, their file is removed when it is due.
 *
 * @throws AuditError if the first record cannot be written; KubernetesError
 */
export const startAudit = async (config: AuditConfig, deps: AuditDeps): Promise<Audit> => {
  const { keys, heads, clock, random, log, observer, output, isExporting } = deps;
  const { readSpace = readVolumeSpace } = deps;
  const { podName, auditFolder } = config;
  const space = auditFolder === '' ? undefined : await readSpace(auditFolder);
  const retention = toRetentionOptions(config, space?.sizeBytes);
  const maxFileBytes = computeMaxFileBytes(retention);
  const published = await readPublishedHead(heads, podName);
  const files =
    auditFolder === ''
      ? undefined
      : await createAuditFiles({
          folder: auditFolder,
          maxFileBytes,
          now: clock.now,
          maxFileAgeMs: (retention.retainMs ?? Infinity) / FILES_IN_LIMIT,
        });
  const standardOutput = createStandardOutputSink(output);
  await writeUnpublished(standardOutput, files?.ends ?? [], published);
  const recorder = await createRecorder({
    key: keys.sealing,
    clock,
    replica: podName,
    version: VERSION,
    newId: () => randomBytes(12).toString('base64url'),
    sinks: [...(files === undefined ? [] : [files.sink]), standardOutput],
    resumeFrom: {
      ...(files !== undefined && { ends: files.ends }),
      ...(published !== undefined && { published }),
    },
    observer,
  });
  const publish = createHeadWriter(heads, { podName, publicKey: keys.sealing.publicKey });
  const logFailure = (error: unknown) => log.warn('audit head not published', toErrorFields(error));
  const { monotonic } = clock;
  const publisher = createHeadPublisher({ recorder, publish, failed: logFailure, monotonic });
  await publisher.publishHead();
  const exports = files !== undefined && isExporting ? createFileExports(files) : undefined;
  const pruning = createFilePruning(files, retention, {
    recorder,
    publisher,
    keys,
    clock,
    ...(exports !== undefined && { exports }),
  });
  const onPruneFailure = (error: unknown) =>
    log.warn('audit file not removed', toErrorFields(error));
  const loop = startAuditLoop({
    publisher,
    ...pruning,
    onPruneFailure,
    onFailure: logFailure,
    random,
  });
  return {
    record: async (event) => {
      const isPublished =
        event.kind === 'run.intent' ? publisher.isCurrent() : publisher.published() !== undefined;
      if (!isPublished) throw refuseUnpublished(observer);
      await loop.waitForSpace();
      const requestId = getRequestId();
      await recorder.record(requestId === undefined ? event : { ...event, requestId });
    },
    queue: recorder.queue,
    isPublished: publisher.isCurrent,
    ...(exports !== undefined && { exports }),
    close: async () => {
      loop.stop();
      await recorder.close();
      await publish(recorder.head()).catch(logFailure);
    },
  };
};

/** Files are written first, so standard output may lack the last records of a killed process. */
const writeUnpublished = async (
  standardOutput: Sink,
  ends: readonly FileEnd[],
  published: Head | undefined,
): Promise<void> => {
  const lines = listUnpublishedLines(ends, published);
  if (lines.length > 0)
    await standardOutput.append(lines.map((line) => `${line}\n`).join(''), false);
};

/** The configured size is not that of a claim that was not resized yet, nor of an emptyDir's file system. */
const toRetentionOptions = (
  { auditMaxBytes, auditVolumeBytes, auditRetainSeconds }: AuditConfig,
  foundBytes = Infinity,
): RetentionOptions => {
  const maxBytes =
    auditVolumeBytes === undefined
      ? auditMaxBytes
      : Math.min(
          auditMaxBytes ?? Infinity,
          Math.floor(Math.min(auditVolumeBytes, foundBytes) * AUDIT_VOLUME_SHARE),
        );
  return {
    ...(maxBytes !== undefined && { maxBytes }),
    ...(auditRetainSeconds !== undefined && { retainMs: auditRetainSeconds * 1000 }),
  };
};

const computeMaxFileBytes = ({ maxBytes = Infinity }: RetentionOptions): number =>
  Math.min(MAX_FILE_BYTES, Math.floor(maxBytes / FILES_IN_LIMIT));

/** Removal of the oldest files; nothing is removed if records go to standard output only. */
const createFilePruning = (
  files: AuditFiles | undefined,
  retention: RetentionOptions,
  {
    recorder,
    publisher,
    keys,
    clock,
    exports,
  }: Pick<AuditDeps, 'keys' | 'clock'> & {
    readonly recorder: ChainRecorder;
    readonly publisher: HeadPublisher;
    readonly exports?: FileExports;
  },
) => {
  if (files === undefined) {
    return { prune: () => Promise.resolve(false), isOverLimit: () => false };
  }
  const { maxBytes = Infinity } = retention;
  // Not all members: the ends of the files are large, and are used only at the start.
  const { listClosed, usedBytes, read, readNewestFirst, remove } = files;
  const prune = createPruner(retention, {
    listClosed,
    usedBytes,
    read,
    readNewestFirst,
    remove,
    published: publisher.published,
    recordRemoval: recorder.prune,
    publicKeys: readPublicKeys(keys.sealing.publicKey),
    clock,
    ...(exports !== undefined && { exports }),
  });
  const limit = maxBytes + computeMaxFileBytes(retention);
  // Records do not wait for an export: nothing is removed before it, however full the volume is.
  const isRemovable = (): boolean => {
    const [oldest] = listClosed();
    return (
      exports === undefined || oldest === undefined || exports.findSha256(oldest) !== undefined
    );
  };
  return { prune, isOverLimit: () => usedBytes() > limit && isRemovable() };
};

const refuseUnpublished = ({ refused }: AuditObserver): AuditError => {
  const expected = `expected a head published in the last ${MAX_UNPUBLISHED_MS / 1000} seconds`;
  const error = new AuditError('head_unpublished', `${expected}, got none`);
  refused(error);
  return error;
};

const readPublishedHead = async (
  { read }: ConfigMapStore,
  podName: string,
): Promise<Head | undefined> => {
  const text = (await read()).data[podName];
  const head = text === undefined ? undefined : readHead(text, podName);
  return head?.ok === true ? head.value : undefined;
};

/**
 * The first head is published with the public key, and so is one that is published again, because a restored store may
 * lack both. Earlier public keys are kept.
 */
const createHeadWriter = (
  { read, change }: ConfigMapStore,
  { podName, publicKey }: { readonly podName: string; readonly publicKey: string },
): ((head: Head) => Promise<void>) => {
  let publishedHash: string | undefined;
  const keysToPublish = async (): Promise<Readonly<Record<string, string>>> => {
    const known = (await read()).data[PUBLIC_KEYS_NAME] ?? '';
    return known.includes(publicKey.trim()) ? {} : { [PUBLIC_KEYS_NAME]: known + publicKey };
  };
  return async (head) => {
    const isKeyNeeded = publishedHash === undefined || publishedHash === head.hash;
    const keys = isKeyNeeded ? await keysToPublish() : {};
    await change({ data: { [podName]: renderHead(head), ...keys } });
    publishedHash = head.hash;
  };
};
