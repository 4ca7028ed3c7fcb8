/** A module that a program imports when it is first used, as a bundle of its own. */
export type LazyBundle = {
  readonly program: string;
  /** In the program's folder below `cmd`. */
  readonly module: string;
  /** Beside the program's bundle. */
  readonly file: string;
};

/** In the sidecar's own bundle the gateway would take 1.5 MB of memory in pods without sign tasks. */
export const LAZY_BUNDLES: readonly LazyBundle[] = [
  { program: 'sidecar', module: 'gateway-handler.ts', file: 'sidecar-gateway.cjs' },
];
