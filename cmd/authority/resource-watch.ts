import type { StateOrigin } from '../../lib/edge/kubernetes/object-watch.ts';

/** Watches all resources of one kind: `watchCustomResources`, bound to a cluster and a kind. */
export type WatchResources<T extends object = object> = (handlers: {
  /** Receives all resources. An unchanged resource is the same object as before. */
  readonly onState: (all: readonly T[], origin: StateOrigin) => void;
  /** Called when the last received state is confirmed to be current. */
  readonly onSync: (version: string) => void;
  /** The version of the API server's store at which another process watched last. */
  readonly lastVersion?: string;
  readonly onError: (error: unknown) => void;
  readonly backoffMs: (attempt: number) => number;
}) => () => void;
