import { join } from 'node:path';
import { startChild } from './child.ts';
import type { Closing } from './closing.ts';
import { PROGRAMS } from './programs.ts';

/** What `kubectl valetkey` printed, and its exit code. */
export type ToolAnswer = { readonly code: number | string; readonly lines: readonly string[] };

/** `kubectl valetkey`, as a person with this kubeconfig runs it. */
export const openTool =
  (
    { folder, kubeconfig }: { readonly folder: string; readonly kubeconfig: string },
    { defer }: Pick<Closing, 'defer'>,
  ) =>
  async (name: string, ...words: readonly string[]): Promise<ToolAnswer> => {
    const child = startChild({
      name,
      command: [PROGRAMS.node, join(PROGRAMS.folder, 'kubectl-valetkey.cjs'), ...words],
      env: { HOME: folder, KUBECONFIG: kubeconfig },
      log: join(folder, 'logs', `${name}.log`),
      cwd: folder,
    });
    defer(child.stop);
    return { code: await child.ended, lines: child.lines() };
  };

export type Tool = ReturnType<typeof openTool>;
