/** An object whose status the authority writes, as the API server returns it. */
export type StoredObject = {
  readonly metadata: {
    readonly name: string;
    readonly uid: string;
    readonly resourceVersion: string;
    readonly generation?: number;
  };
  readonly spec?: unknown;
  readonly status?: unknown;
};

/** Identifies an object and its spec: what only changes its status leaves the key as it is. */
export const buildGenerationKey = ({ metadata: { uid, generation = 0 } }: StoredObject): string =>
  `${uid} ${generation}`;

/** The same of all objects, in whatever order they are listed. */
export const buildGenerationsKey = (all: readonly StoredObject[]): string =>
  all.map(buildGenerationKey).sort().join();
