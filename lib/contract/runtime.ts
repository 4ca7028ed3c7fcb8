import { COMPILE_CACHE_FOLDER, NODE_PATH, PROGRAM_FOLDER } from './paths.ts';

/**
 * How our programs run on Node. These close what could be opened from outside: the inspector on
 * SIGUSR1 (its port would lie in the network that the pod's containers share), `__proto__`,
 * `eval` and native add-ons.
 */
export const HARDENING_FLAGS = [
  '--disable-sigusr1',
  '--disable-proto=delete',
  '--disallow-code-generation-from-strings',
  '--no-addons',
] as const;

/** A sidecar stands in every agent pod: these keep its private memory small under load. */
const SMALL_MEMORY_FLAGS = [
  '--no-concurrent-recompilation',
  '--max-semi-space-size=1',
  '--max-old-space-size=64',
  '--v8-pool-size=0',
] as const;

/** The sidecar as the injected container starts it. */
export const SIDECAR_COMMAND = [
  NODE_PATH,
  ...HARDENING_FLAGS,
  ...SMALL_MEMORY_FLAGS,
  `${PROGRAM_FOLDER}/sidecar.cjs`,
] as const;

/** The sidecar's environment that speaks to the runtime, not to the program. */
export const SIDECAR_RUNTIME_ENV = {
  NODE_OPTIONS: '',
  UV_THREADPOOL_SIZE: '1',
  MALLOC_ARENA_MAX: '1',
  /** Filled when the image is built, read-only since. */
  NODE_COMPILE_CACHE: COMPILE_CACHE_FOLDER,
} as const;

/** The webhook as the chart's Deployment starts it. */
export const WEBHOOK_COMMAND = [
  NODE_PATH,
  ...HARDENING_FLAGS,
  `${PROGRAM_FOLDER}/webhook.cjs`,
] as const;

export const WEBHOOK_RUNTIME_ENV = {
  NODE_OPTIONS: '',
  NODE_COMPILE_CACHE: COMPILE_CACHE_FOLDER,
} as const;

/** The authority as the chart's StatefulSet starts it. */
export const AUTHORITY_COMMAND = [
  NODE_PATH,
  ...HARDENING_FLAGS,
  `${PROGRAM_FOLDER}/authority.cjs`,
] as const;

export const AUTHORITY_RUNTIME_ENV = {
  NODE_OPTIONS: '',
  NODE_COMPILE_CACHE: COMPILE_CACHE_FOLDER,
} as const;
