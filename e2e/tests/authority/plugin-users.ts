import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UnrecoverableError, waitFor } from '../../../test/kit/retry.ts';
import { runCommand } from '../../cluster/command.ts';
import { runKubectl } from '../../cluster/kubectl.ts';
import { cluster, testContext } from '../test-context.ts';

const PROGRAM = join(import.meta.dirname, '../../../cmd/kubectl-valetkey/main.ts');

export type RunningConsole = {
  readonly url: string;
  /** Ends it as Ctrl-C does. @returns its standard error */
  readonly stop: () => Promise<string>;
};

type Kubeconfig = { readonly users: readonly { readonly user: object }[] };

/** Runs `kubectl valetkey` as other users, whom the API server impersonates for the tests' own. */
export const createPluginUsers = () => {
  const folder = mkdtempSync(join(tmpdir(), 'valetkey-users-'));

  const writeKubeconfig = async (as: string): Promise<string> => {
    const { stdout } = await runKubectl(cluster, [
      ...['config', 'view', '--raw', '--flatten', '-o', 'json'],
    ]);
    const config = JSON.parse(stdout) as Kubeconfig;
    const users = config.users.map((each) => ({ ...each, user: { ...each.user, as } }));
    const file = join(folder, as);
    writeFileSync(file, JSON.stringify({ ...config, users }), { mode: 0o600 });
    return file;
  };

  const buildArguments = async (user: string, args: readonly string[]): Promise<string[]> => {
    const access = ['--kubeconfig', await writeKubeconfig(user)];
    return [PROGRAM, ...args, ...access, '--installed-in', testContext.release.namespace];
  };

  return {
    /** Returns its standard output. @throws CommandError with its standard error */
    run: async (user: string, args: readonly string[]): Promise<string> => {
      return (await runCommand(process.execPath, await buildArguments(user, args))).stdout;
    },
    /** Starts the console, and waits for its address. */
    startConsole: async (user: string, args: readonly string[] = []): Promise<RunningConsole> => {
      const all = await buildArguments(user, ['console', '-o', 'json', ...args]);
      const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] });
      let [output, errors] = ['', ''];
      child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
      child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
      const ended = once(child, 'close');
      const { url } = await waitFor('the address of the console', () => {
        if (child.exitCode !== null) throw new UnrecoverableError(`the console ended: ${errors}`);
        return Promise.resolve(JSON.parse(output) as { url: string });
      });
      return {
        url,
        stop: async () => {
          child.kill('SIGINT');
          await ended;
          return errors;
        },
      };
    },
    remove: (): void => rmSync(folder, { recursive: true }),
  };
};
