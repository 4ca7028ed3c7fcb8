import { join } from 'node:path';
import { startChild } from './child-process.ts';
import type { CleanupStack } from './cleanup-stack.ts';
import { DEMO_PROGRAMS } from './demo-programs.ts';

/** Output and exit code of `kubectl valetkey`. */
export type PluginResult = {
  readonly code: number | string;
  readonly lines: readonly string[];
  /** The end of its output, with its errors. */
  readonly lastLog: string;
};

/** Runs `kubectl valetkey` with this kubeconfig. */
export const createKubectlPlugin =
  (
    { folder, kubeconfig }: { readonly folder: string; readonly kubeconfig: string },
    { defer }: Pick<CleanupStack, 'defer'>,
  ) =>
  async (name: string, ...words: readonly string[]): Promise<PluginResult> => {
    const child = startChild({
      name,
      command: [DEMO_PROGRAMS.node, join(DEMO_PROGRAMS.folder, 'kubectl-valetkey.cjs'), ...words],
      env: { HOME: folder, KUBECONFIG: kubeconfig },
      log: join(folder, 'logs', `${name}.log`),
      cwd: folder,
    });
    defer(child.stop);
    return { code: await child.ended, lines: child.lines(), lastLog: child.lastLog() };
  };

export type RunKubectlPlugin = ReturnType<typeof createKubectlPlugin>;
