/** Watches all resources of one kind: `watchCustomResources`, bound to a cluster and a kind. */
export type WatchResources<T extends object = object> = (handlers: {
  /** Receives all resources. An unchanged resource is the same object as before. */
  readonly onState: (all: readonly T[]) => void;
  /** Called when the last received state is confirmed to be current. */
  readonly onSync: () => void;
  readonly onError: (error: unknown) => void;
  readonly backoffMs: (attempt: number) => number;
}) => () => void;
