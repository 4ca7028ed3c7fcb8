import { randomBytes } from 'node:crypto';

import {
  createHeadPublisher,
  PUBLIC_KEYS_NAME,
  readHead,
  renderHead,
  type Head,
} from '../../lib/audit/heads.ts';
import type { Recorder } from '../../lib/audit/audit-event.ts';
import { createRecorder, type RecorderObserver } from '../../lib/audit/recorder.ts';
import { VERSION } from '../../lib/contract/version.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import type { Log } from '../../lib/contract/log.ts';
import { createAuditFiles } from '../../lib/edge/disk/audit-files.ts';
import { createStandardOutputSink } from '../../lib/edge/disk/standard-output.ts';
import type { ConfigMapStore } from '../../lib/edge/kubernetes/config-maps.ts';
import { startReconcileLoop } from '../../lib/async/reconcile-loop.ts';
import type { AuditKeys } from './audit-keys.ts';
import type { AuthorityConfig } from './config.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';

export type Audit = {
  readonly record: Recorder;
  /** Seals the remaining records, publishes the last head, and closes every sink. */
  readonly close: () => Promise<void>;
};

export type AuditDeps = {
  readonly keys: Pick<AuditKeys, 'sealing'>;
  readonly heads: ConfigMapStore;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly observer: RecorderObserver;
  /** Standard output; tests replace it. */
  readonly output: Parameters<typeof createStandardOutputSink>[0];
};

const RETRY = { firstMs: 500, maxMs: 10_000 };
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/**
 * Opens this replica's audit chain, written to files on its volume, if it has one, and to standard
 * output. The newest head is published every five seconds.
 *
 * @throws AuditError if the first record cannot be written; KubernetesError
 */
export const startAudit = async (
  { podName, auditFolder }: Pick<AuthorityConfig, 'podName' | 'auditFolder'>,
  { keys, heads, clock, random, log, observer, output }: AuditDeps,
): Promise<Audit> => {
  const published = await readPublishedHead(heads, podName);
  const files =
    auditFolder === ''
      ? undefined
      : await createAuditFiles({ folder: auditFolder, maxFileBytes: MAX_FILE_BYTES });
  const recorder = await createRecorder({
    key: keys.sealing,
    clock,
    replica: podName,
    version: VERSION,
    newId: () => randomBytes(12).toString('base64url'),
    sinks: [...(files === undefined ? [] : [files.sink]), createStandardOutputSink(output)],
    resumeFrom: {
      ...(files !== undefined && { ends: files.ends }),
      ...(published !== undefined && { published }),
    },
    observer,
  });
  const publish = createHeadWriter(heads, { podName, publicKey: keys.sealing.publicKey });
  const logFailure = (error: unknown) => log.warn('audit head not published', toErrorFields(error));
  const loop = startReconcileLoop({
    reconcile: createHeadPublisher({ recorder, publish, failed: logFailure }),
    onFailure: logFailure,
    retry: RETRY,
    random,
  });
  return {
    record: recorder.record,
    close: async () => {
      loop.stop();
      await recorder.close();
      await publish(recorder.head()).catch(logFailure);
    },
  };
};

const readPublishedHead = async (
  { read }: ConfigMapStore,
  podName: string,
): Promise<Head | undefined> => {
  const text = (await read()).data[podName];
  const head = text === undefined ? undefined : readHead(text, podName);
  return head?.ok === true ? head.value : undefined;
};

/** The first head is published with the public key; earlier public keys are kept. */
const createHeadWriter = (
  { read, change }: ConfigMapStore,
  { podName, publicKey }: { readonly podName: string; readonly publicKey: string },
): ((head: Head) => Promise<void>) => {
  let isKeyPublished = false;
  const keysToPublish = async (): Promise<Readonly<Record<string, string>>> => {
    const known = (await read()).data[PUBLIC_KEYS_NAME] ?? '';
    return known.includes(publicKey.trim()) ? {} : { [PUBLIC_KEYS_NAME]: known + publicKey };
  };
  return async (head) => {
    const keys = isKeyPublished ? {} : await keysToPublish();
    await change({ data: { [podName]: renderHead(head), ...keys } });
    isKeyPublished = true;
  };
};
