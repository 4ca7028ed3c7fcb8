import { join } from 'node:path';
import { runCommand } from '../cluster/command.ts';
import type { Progress } from '../cluster/progress.ts';
import { buildCacheKey, buildInCache } from './client-builds.ts';

/** The newest version; it is not among our dependencies, because no program needs it. */
const VERSION = '3.1143.0';

const MINUTE_MS = 60_000;

/** What a call returned, or what it threw. */
export type SdkOutcome = {
  readonly result?: Readonly<Record<string, unknown>>;
  readonly error?: { readonly name: string; readonly message: string };
};

/** Installs the Kinesis client for JavaScript, if the cache does not have it. Returns its entry file. */
export const buildKinesis = async (progress: Progress): Promise<string> => {
  const wanted = `@aws-sdk/client-kinesis@${VERSION}`;
  const folder = await buildInCache('kinesis', buildCacheKey([], wanted), async (made) => {
    progress(`installing ${wanted} (once)`);
    const install = ['install', '--prefix', made, '--no-save', '--ignore-scripts', wanted];
    await runCommand('npm', install, { timeoutMs: 10 * MINUTE_MS });
  });
  return join(folder, 'node_modules/@aws-sdk/client-kinesis/dist-cjs/index.js');
};

/**
 * Makes calls at once with a Kinesis client.
 *
 * @returns the protocol of its request handler, and what became of each call
 */
export const runKinesisCalls = async (
  entry: string,
  plan: { readonly config: object; readonly calls: readonly object[] },
): Promise<{ protocol: unknown; outcomes: readonly SdkOutcome[] }> => {
  const script = join(import.meta.dirname, 'javascript/kinesis.ts');
  const { stdout } = await runCommand(process.execPath, [script, entry], {
    input: JSON.stringify(plan),
    timeoutMs: 2 * MINUTE_MS,
  });
  const [handler = '', ...lines] = stdout.trim().split('\n');
  const { handlerProtocol: protocol } = JSON.parse(handler) as { handlerProtocol?: unknown };
  return { protocol, outcomes: lines.map((line) => JSON.parse(line) as SdkOutcome) };
};
