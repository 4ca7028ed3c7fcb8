/** What a variable of the runtime can do. `none` and `fixed` are accepted. */
export type EnvironmentEffect =
  /** Loads code, or data that code is chosen by. */
  | 'code'
  /** Adds or removes trust anchors, or disables verification. */
  | 'trust'
  /** Writes internals, which may include secrets, to a file or a log. */
  | 'output'
  /** Sends requests to another host. */
  | 'network'
  /** The chart or the injection template sets the value; rule 2 compares it in the sidecar. */
  | 'fixed'
  | 'none';

/**
 * Every variable that the pinned Node reads, from its manual, its `--help` and its own modules. A test
 * compares this table with that Node, so that a variable of an update is reviewed before it is used.
 */
export const NODE_VARIABLES: Readonly<Record<string, EnvironmentEffect>> = {
  NODE_OPTIONS: 'code',
  NODE_PATH: 'code',
  NODE_PRESERVE_SYMLINKS: 'code',
  NODE_PRESERVE_SYMLINKS_MAIN: 'code',
  NODE_REPL_EXTERNAL_MODULE: 'code',
  NODE_ICU_DATA: 'code',
  OPENSSL_CONF: 'code',
  NODE_EXTRA_CA_CERTS: 'trust',
  NODE_USE_SYSTEM_CA: 'trust',
  NODE_TLS_REJECT_UNAUTHORIZED: 'trust',
  SSL_CERT_DIR: 'trust',
  SSL_CERT_FILE: 'trust',
  NODE_DEBUG: 'output',
  NODE_DEBUG_NATIVE: 'output',
  NODE_REDIRECT_WARNINGS: 'output',
  NODE_REPL_HISTORY: 'output',
  NODE_V8_COVERAGE: 'output',
  NODE_USE_ENV_PROXY: 'network',
  NODE_COMPILE_CACHE: 'fixed',
  NODE_COMPILE_CACHE_PORTABLE: 'fixed',
  NODE_DISABLE_COMPILE_CACHE: 'fixed',
  UV_THREADPOOL_SIZE: 'fixed',
  // Read only with NODE_USE_ENV_PROXY.
  HTTP_PROXY: 'none',
  HTTPS_PROXY: 'none',
  NO_PROXY: 'none',
  // Node removes these before a program runs, or reads them only with a channel to its parent.
  NODE_CHANNEL_FD: 'none',
  NODE_CHANNEL_SERIALIZATION_MODE: 'none',
  NODE_CLUSTER_SCHED_POLICY: 'none',
  NODE_UNIQUE_ID: 'none',
  WATCH_REPORT_DEPENDENCIES: 'none',
  // Read by the test runner, the inspector and on Windows.
  JEST_WORKER_ID: 'none',
  NODE_INSPECT_RESUME_ON_START: 'none',
  NODE_PENDING_PIPE_INSTANCES: 'none',
  NODE_TEST_CONTEXT: 'none',
  NODE_TEST_WORKER_ID: 'none',
  TEMP: 'none',
  TMP: 'none',
  USERPROFILE: 'none',
  FORCE_COLOR: 'none',
  NODE_DISABLE_COLORS: 'none',
  NODE_NO_WARNINGS: 'none',
  NODE_PENDING_DEPRECATION: 'none',
  NODE_SKIP_PLATFORM_CHECK: 'none',
  NO_COLOR: 'none',
  TERM: 'none',
  TZ: 'none',
  UNDICI_NO_WASM_SIMD: 'none',
};

/** Variables of OpenSSL and of the C library. Node's manual does not list them. */
const LIBRARY_VARIABLES: Readonly<Record<string, EnvironmentEffect>> = {
  OPENSSL_CONF_INCLUDE: 'code',
  OPENSSL_ENGINES: 'code',
  OPENSSL_MODULES: 'code',
  GCONV_PATH: 'code',
  GLIBC_TUNABLES: 'code',
  LOCPATH: 'code',
  SSLKEYLOGFILE: 'output',
  HOSTALIASES: 'network',
  LOCALDOMAIN: 'network',
  RESOLV_HOST_CONF: 'network',
};

const isAccepted = (effect: EnvironmentEffect): boolean => effect === 'none' || effect === 'fixed';

/** No program starts with one of these. */
export const ENV_DENY_LIST: readonly string[] = Object.entries({
  ...NODE_VARIABLES,
  ...LIBRARY_VARIABLES,
})
  .filter(([, effect]) => !isAccepted(effect))
  .map(([name]) => name);

/** The dynamic loader's and Node's TLS variables, including those that do not exist yet. */
export const ENV_DENY_PREFIXES = ['LD_', 'NODE_TLS_'] as const;

/** Names that belong to Valetkey, an SDK or the runtime of the sidecar. */
const SIDECAR_PREFIXES = ['VALETKEY_', 'AWS_', 'NODE_', 'LD_', 'OPENSSL_', 'SSL', 'UV_', 'MALLOC_'];

/**
 * Whether another mutating webhook may add the variable to the sidecar if the platform lists it: never
 * one that configures an SDK or that could load code, change trust, write secrets or redirect requests.
 */
export const mayBeAddedToSidecar = (name: string): boolean => {
  const upper = name.toUpperCase();
  return (
    !SIDECAR_PREFIXES.some((prefix) => upper.startsWith(prefix)) && !ENV_DENY_LIST.includes(upper)
  );
};

/** For messages: the names that {@link mayBeAddedToSidecar} refuses. */
export const SIDECAR_RESERVED_TEXT = [
  ...SIDECAR_PREFIXES.map((prefix) => `${prefix}*`),
  ...ENV_DENY_LIST.filter((name) => !SIDECAR_PREFIXES.some((prefix) => name.startsWith(prefix))),
].join(', ');
