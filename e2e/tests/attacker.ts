import { join } from 'node:path';
import { build } from 'esbuild';
import { execInPod } from '../cluster/kubectl.ts';
import { cluster } from './test-context.ts';
import type { PodRef } from './test-context.ts';

/** The attacker as one script on standard input, like code that an agent was tricked into running. */
export const bundleAttacker = async (): Promise<string> => {
  const entry = join(import.meta.dirname, '../attacks/inside/attacker.ts');
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node24',
  });
  return outputFiles[0]?.text ?? '';
};

const TIMEOUT_MS = 120_000;

/** Runs a command of the attacker in a container. */
export const runAttacker = async <T>(
  script: string,
  { namespace, pod, container = 'agent' }: PodRef,
  args: readonly string[],
): Promise<T> => {
  const command = ['/usr/bin/node', '--input-type=module', '-', ...args];
  const options = { input: script, timeoutMs: TIMEOUT_MS };
  const { stdout } = await execInPod(cluster, { namespace, pod, container }, command, options);
  return JSON.parse(stdout) as T;
};
