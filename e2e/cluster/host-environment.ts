import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where built programs are kept between runs, outside the checkout. */
export function getCacheFolder(): string {
  const { env } = process;
  const own = env['VALETKEY_CACHE'];
  if (own) return own;
  return join(env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'valetkey');
}

/** The kubeconfig of somebody else's cluster on which the stories should run, if one is given. */
export function getExternalKubeconfig(): string | undefined {
  const path = process.env['VALETKEY_E2E_KUBECONFIG'];
  return path === '' ? undefined : path;
}

/** Our own environment with some variables set: what a child program gets. */
export function buildChildEnvironment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  return { ...process.env, ...extra };
}
