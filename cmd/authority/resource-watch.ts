/** How to watch all resources of a kind: `watchCustomResources`, bound to a cluster and a kind. */
export type WatchResources<T extends object = object> = (handlers: {
  /** Told of all of them; one that has not changed is the same object as before. */
  readonly onState: (all: readonly T[]) => void;
  /** What was told last is what is there now. */
  readonly onSync: () => void;
  readonly onError: (error: unknown) => void;
  readonly backoffMs: (attempt: number) => number;
}) => () => void;
