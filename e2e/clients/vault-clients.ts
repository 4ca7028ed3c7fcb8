import { join } from 'node:path';
import { buildPrograms } from '../cluster/programs.ts';
import { runCommand } from '../cluster/command.ts';
import type { Progress } from '../cluster/progress.ts';
import { installPython } from './client-builds.ts';

const sources = join(import.meta.dirname, 'vault');

/** What a client of Vault printed: the data at a path, or the errors of a refusal. */
export type VaultAnswer = {
  readonly data?: Readonly<Record<string, unknown>>;
  /** HTTP status, where the client knows it. */
  readonly status?: number;
  readonly errors?: readonly string[];
};

/** Commands that start unmodified clients of Vault, followed by an operation and a path. */
export type VaultClients = {
  /** The Go client `vault/api`, which Vault's own CLI uses. */
  readonly go: readonly string[];
  readonly hvac: readonly string[];
};

/** Builds the Go client and installs hvac, if the cache does not have them. */
export const buildVaultClients = async (progress: Progress): Promise<VaultClients> => {
  const { 'vault-client': go } = await buildPrograms(progress, ['vault-client']);
  const python = await installPython('hvac', join(sources, 'requirements.txt'), () =>
    progress('installing hvac (once)'),
  );
  return { go: [go], hvac: [join(python, 'bin/python'), join(sources, 'hvac_client.py')] };
};

/** Neither a proxy nor a token that Vault's own CLI stored. */
const ENVIRONMENT = { HOME: '/nonexistent', NO_PROXY: '127.0.0.1', no_proxy: '127.0.0.1' };

/** Runs a client with what injection sets in the environment of a consumer. */
export const runVaultClient = async (
  [program = '', ...args]: readonly string[],
  { address, token }: { readonly address: string; readonly token: string },
): Promise<VaultAnswer> => {
  const env = { ...ENVIRONMENT, VAULT_ADDR: address, VAULT_TOKEN: token };
  const { stdout } = await runCommand(program, args, { env });
  return JSON.parse(stdout) as VaultAnswer;
};
