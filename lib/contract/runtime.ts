import { COMPILE_CACHE_FOLDER, NODE_PATH, PROGRAM_FOLDER } from './paths.ts';

/**
 * Node flags of every program. They disable what an attacker could use: the inspector on SIGUSR1 (its
 * port would be reachable from all containers of the pod), `__proto__`, `eval` and native add-ons.
 */
export const HARDENING_FLAGS = [
  '--disable-sigusr1',
  '--disable-proto=delete',
  '--disallow-code-generation-from-strings',
  '--no-addons',
] as const;

/** Every agent pod has a sidecar: these flags limit its private memory under load. */
const SMALL_MEMORY_FLAGS = [
  '--no-concurrent-recompilation',
  '--max-semi-space-size=1',
  '--max-old-space-size=64',
  '--v8-pool-size=0',
] as const;

/** Command of the injected sidecar container. */
export const SIDECAR_COMMAND = [
  NODE_PATH,
  ...HARDENING_FLAGS,
  ...SMALL_MEMORY_FLAGS,
  `${PROGRAM_FOLDER}/sidecar.cjs`,
] as const;

/** Environment variables of the sidecar that configure Node and libc. */
export const SIDECAR_RUNTIME_ENV = {
  NODE_OPTIONS: '',
  /** Two of the four may resolve names: one that does not resolve then delays no other. */
  UV_THREADPOOL_SIZE: '4',
  MALLOC_ARENA_MAX: '1',
  /** Written when the image is built; read-only at run time. */
  NODE_COMPILE_CACHE: COMPILE_CACHE_FOLDER,
} as const;

/**
 * For webhook and authority. V8 takes half of a container's memory limit for its heap by itself, but with the
 * chart's limits its young generation would be a MiB, with which a run cost half as much CPU again
 * (docs/performance.md).
 */
const SERVER_MEMORY_FLAGS = ['--max-semi-space-size=8'] as const;

/** Command of the webhook in the chart's Deployment. */
export const WEBHOOK_COMMAND = [
  NODE_PATH,
  ...HARDENING_FLAGS,
  ...SERVER_MEMORY_FLAGS,
  `${PROGRAM_FOLDER}/webhook.cjs`,
] as const;

export const WEBHOOK_RUNTIME_ENV = {
  NODE_OPTIONS: '',
  NODE_COMPILE_CACHE: COMPILE_CACHE_FOLDER,
} as const;

/** Command of the authority in the chart's StatefulSet. */
export const AUTHORITY_COMMAND = [
  NODE_PATH,
  ...HARDENING_FLAGS,
  ...SERVER_MEMORY_FLAGS,
  `${PROGRAM_FOLDER}/authority.cjs`,
] as const;

export const AUTHORITY_RUNTIME_ENV = {
  NODE_OPTIONS: '',
  NODE_COMPILE_CACHE: COMPILE_CACHE_FOLDER,
} as const;
