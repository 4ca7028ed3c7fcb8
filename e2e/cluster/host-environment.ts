import { homedir } from 'node:os';
import { join } from 'node:path';

/** Folder of built programs, kept between runs. */
export function getCacheFolder(): string {
  const { env } = process;
  const own = env['VALETKEY_CACHE'];
  if (own) return own;
  return join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'valetkey');
}

/** Returns the kubeconfig of the external cluster, if VALETKEY_E2E_KUBECONFIG names one. */
export function getExternalKubeconfig(): string | undefined {
  const path = process.env['VALETKEY_E2E_KUBECONFIG'];
  return path === '' ? undefined : path;
}

/** Returns the environment of this process with some variables set, for a child process. */
export function buildChildEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { ...process.env, ...extra };
}
