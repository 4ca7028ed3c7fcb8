/** What a program loads when it first uses it, as a bundle of its own. */
export type LazyBundle = {
  readonly program: string;
  /** A module that the program imports dynamically, from its folder below `cmd`, or a package. */
  readonly module: string;
  /** Beside the program's bundle. */
  readonly file: string;
  /** The module's path in the repository, if it is not in that folder. */
  readonly source?: string;
};

const TRACING = {
  module: './otlp-tracing.ts',
  source: 'lib/edge/telemetry/otlp-tracing.ts',
  file: 'tracing.cjs',
};

/**
 * The text of a bundle is private memory of each process. In the sidecar's own bundle, the gateway would
 * take 1.5 MB in pods without sign tasks, and the packages 0.8 MB in pods that do not use them.
 * A package must be imported only by modules that are imported dynamically.
 */
export const LAZY_BUNDLES: readonly LazyBundle[] = [
  { program: 'sidecar', module: './gateway-handler.ts', file: 'sidecar-gateway.cjs' },
  { program: 'sidecar', module: '@aws-sdk/client-sts', file: 'sidecar-sts.cjs' },
  { program: 'sidecar', module: 're2js', file: 'sidecar-patterns.cjs' },
  // Tracing is off in most installations.
  { program: 'sidecar', ...TRACING },
  { program: 'webhook', ...TRACING },
  { program: 'authority', ...TRACING },
];
