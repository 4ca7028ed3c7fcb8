import { createHmac } from 'node:crypto';
import type { AwsKeys } from '../signing/signing-keys.ts';

/** Who may use a local key, and for which run. */
export type LocalKeyOwner = {
  readonly consumer: string;
  readonly task: string;
  /** The run that the key was made for; absent: the current run of a task without params. */
  readonly run?: string;
};

/** Keys that the gateway accepts and no cloud does. */
export type LocalKeys = {
  /** Keys of a task without params: equal after a restart, because SDKs keep them until they expire. */
  readonly forTask: (owner: { consumer: string; task: string }) => AwsKeys;
  /** Creates keys of one run of a task with params. */
  readonly createForRun: (owner: Required<LocalKeyOwner>) => AwsKeys;
  /** Finds keys by their ID. @returns undefined for an ID that was never issued, or erased */
  readonly find: (
    accessKeyId: string,
  ) => { readonly keys: AwsKeys; readonly owner: LocalKeyOwner } | undefined;
  /** Erases the keys of a run. */
  readonly erase: (run: string) => void;
};

export type LocalKeysDeps = {
  /** 32 random bytes of each consumer, which survive a restart of the sidecar. */
  readonly seeds: ReadonlyMap<string, Uint8Array>;
  /** Pairs of consumer and task without params. */
  readonly tasks: readonly { readonly consumer: string; readonly task: string }[];
  readonly randomBytes: (length: number) => Uint8Array;
};

const SEED_BYTES = 32;
const ID_PREFIX = 'VALETKEY';
const ID_LENGTH = 16;
/** RFC 4648, section 6. */
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** Lengths are part of the text, so that no two owners have the same. */
const formatOwner = (label: string, consumer: string, task: string): string =>
  [label, consumer, task].map((part) => `${part.length}:${part}`).join('');

const formatId = (bytes: Uint8Array): string =>
  ID_PREFIX +
  Array.from(bytes.subarray(0, ID_LENGTH), (byte) => BASE32[byte % BASE32.length]).join('');

const deriveKeys = (seed: Uint8Array, consumer: string, task: string): AwsKeys => {
  const derive = (label: string): Buffer =>
    createHmac('sha256', seed)
      .update(formatOwner(label, consumer, task))
      .digest();
  return {
    accessKeyId: formatId(derive('id')),
    secretAccessKey: derive('secret').toString('base64url'),
    sessionToken: derive('token').toString('base64url'),
  };
};

/**
 * Creates the local keys of a pod. The agent holds these; they never travel as such, because SDKs only
 * sign with them.
 *
 * @throws Error if a consumer of a task has no seed of 32 bytes
 */
export const createLocalKeys = ({ seeds, tasks, randomBytes }: LocalKeysDeps): LocalKeys => {
  const byId = new Map<string, { keys: AwsKeys; owner: LocalKeyOwner }>();
  const idsByRun = new Map<string, string>();

  const forTask: LocalKeys['forTask'] = ({ consumer, task }) => {
    const seed = seeds.get(consumer);
    if (seed?.length !== SEED_BYTES) {
      throw new Error(
        `consumer ${consumer}: expected a seed of ${SEED_BYTES} bytes, got ${seed?.length ?? 'none'}`,
      );
    }
    return deriveKeys(seed, consumer, task);
  };

  const createForRun: LocalKeys['createForRun'] = (owner) => {
    const keys = deriveKeys(randomBytes(SEED_BYTES), owner.consumer, owner.task);
    byId.set(keys.accessKeyId, { keys, owner });
    idsByRun.set(owner.run, keys.accessKeyId);
    return keys;
  };

  for (const owner of tasks) {
    const keys = forTask(owner);
    byId.set(keys.accessKeyId, { keys, owner });
  }
  return {
    forTask,
    createForRun,
    find: (accessKeyId) => byId.get(accessKeyId),
    erase: (run) => {
      byId.delete(idsByRun.get(run) ?? '');
      idsByRun.delete(run);
    },
  };
};
