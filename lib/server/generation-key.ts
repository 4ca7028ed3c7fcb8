type Generation = {
  readonly metadata: { readonly uid: string; readonly generation?: number };
};

/** Identifies an object and its spec: what only changes its status leaves the key as it is. */
export const buildGenerationKey = ({ metadata: { uid, generation = 0 } }: Generation): string =>
  `${uid} ${generation}`;

/** The same of all objects, in whatever order they are listed. */
export const buildGenerationsKey = (all: readonly Generation[]): string =>
  all.map(buildGenerationKey).sort().join();
