import { join } from 'node:path';
import { runCommand } from '../cluster/command.ts';
import type { Progress } from '../cluster/progress.ts';
import { buildCacheKey, buildGoModule, buildInCache } from './client-builds.ts';
import type { ClientCommand } from './client-process.ts';

/** Programs that print what clients of DynamoDB and SQS raise at an endpoint that refuses. */
export const refusalClientNames = ['Go', 'Java'] as const;
export type RefusalClientName = (typeof refusalClientNames)[number];

/** Builds a program, unless the cache has it. Its arguments are the endpoint and codes of refusals. */
export const buildRefusalClient = (
  progress: Progress,
  name: RefusalClientName,
): Promise<ClientCommand> =>
  name === 'Go'
    ? buildGoModule(progress, { name: 'go-refusals', modfile: 'go.mod' })
    : buildJavaRefusals(progress);

/** Builds all of {@link refusalClientNames}. */
export const buildRefusalClients = async (progress: Progress): Promise<void> => {
  for (const name of refusalClientNames) await buildRefusalClient(progress, name);
};

const buildJavaRefusals = async (progress: Progress): Promise<ClientCommand> => {
  const source = join(import.meta.dirname, 'java');
  const program = 'src/refusals/java';
  const files = ['pom.xml', `${program}/Refusals.java`].map((file) => join(source, file));
  const folder = await buildInCache('java-refusals', buildCacheKey(files), async (made) => {
    progress('building the Java client of DynamoDB and SQS (once)');
    const define = ['--activate-profiles', 'refusals', `-Dsource=${program}`, `-Dout=${made}`];
    const args = ['--batch-mode', '--quiet', ...define, 'package'];
    await runCommand('mvn', args, { cwd: source, timeoutMs: 600_000 });
  });
  const classPath = `${join(folder, 'client.jar')}:${join(folder, 'lib')}/*`;
  return { command: 'java', args: ['-XX:TieredStopAtLevel=1', '-cp', classPath, 'Refusals'] };
};
