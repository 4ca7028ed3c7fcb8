import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import type { Revocation } from '../../lib/contract/authority-api.ts';
import { createStateFile } from '../../lib/edge/disk/state-file.ts';
import { readRevocation } from '../../lib/revocation/revocation.ts';

/** The Revocations at one version of the API server's store. */
export type RememberedRevocations = {
  readonly version: string;
  readonly revocations: readonly Revocation[];
};

/**
 * What a replica knew of the Revocations, on its volume: if the cluster is restored from an older snapshot while no
 * replica runs, it finds out at its start what was lost.
 */
export type RevocationMemory = {
  /** What the process before knew last. */
  readonly remembered: RememberedRevocations | undefined;
  /** Replaces it. Of several while one is written, only the last is written. */
  readonly remember: (state: RememberedRevocations) => void;
};

const FILE_NAME = 'revocations.json';

/**
 * Loads what is remembered in the folder. What cannot be read is not remembered.
 *
 * @param folder of the audit files; empty: nothing is remembered
 * @param onFailure called with each error
 */
export const loadRevocationMemory = async (
  folder: string,
  onFailure: (error: unknown) => void,
): Promise<RevocationMemory> => {
  if (folder === '') return { remembered: undefined, remember: () => undefined };
  const file = createStateFile(join(folder, FILE_NAME));
  let waiting: RememberedRevocations | undefined;
  let isWriting = false;
  const writeAll = async (): Promise<void> => {
    isWriting = true;
    for (let state = waiting; state !== undefined; state = waiting) {
      waiting = undefined;
      await file.write(render(state)).catch(onFailure);
    }
    isWriting = false;
  };
  const load = async (): Promise<RememberedRevocations | undefined> => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const text = await file.read();
    return text === undefined ? undefined : parse(text);
  };
  const remembered = await load().catch((error: unknown) => {
    onFailure(error);
    return undefined;
  });
  return {
    remembered,
    remember: (state) => {
      waiting = state;
      if (!isWriting) void writeAll();
    },
  };
};

/** As the API server stores them, so that they are read by the same rules. */
const render = ({ version, revocations }: RememberedRevocations): string =>
  JSON.stringify({
    version,
    revocations: revocations.map(({ name, uid, createdAt, spec }) => ({
      metadata: { name, uid, creationTimestamp: new Date(createdAt).toISOString() },
      spec,
    })),
  });

/** @throws Error if it is no output of {@link render} */
const parse = (text: string): RememberedRevocations => {
  const { version, revocations } = JSON.parse(text) as Record<string, unknown>;
  if (typeof version !== 'string' || !Array.isArray(revocations))
    throw new Error(`${FILE_NAME}: expected a version and Revocations, got something else`);
  const read = revocations.map((each) => readRevocation(each));
  return { version, revocations: read.flatMap((result) => (result.ok ? [result.value] : [])) };
};
