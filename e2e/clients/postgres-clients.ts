import { join } from 'node:path';
import { runCommand } from '../cluster/command.ts';
import { buildCacheKey, buildInCache, installPython } from './client-builds.ts';

const sources = join(import.meta.dirname, 'postgres');
const JDBC = 'org.postgresql:postgresql:42.7.8';
const MINUTE_MS = 60_000;

/** How a client of PostgreSQL is started: it prints the first column of a query. */
export type PostgresClients = {
  readonly psycopg: readonly string[];
  readonly pgx: readonly string[];
  /** Followed by a URL, a password and the query. */
  readonly jdbc: readonly string[];
};

const buildPgx = async (): Promise<string> => {
  const files = ['main.go', 'go.mod', 'go.sum'].map((file) => join(sources, file));
  const folder = await buildInCache('pgx', buildCacheKey(files), async (made) => {
    const args = ['build', '-trimpath', '-o', join(made, 'client'), '.'];
    const env = { CGO_ENABLED: '0', GOFLAGS: '' };
    await runCommand('go', args, { cwd: sources, env, timeoutMs: 10 * MINUTE_MS });
  });
  return join(folder, 'client');
};

const buildJdbc = async (): Promise<string> => {
  const source = join(sources, 'Query.java');
  const folder = await buildInCache('jdbc', buildCacheKey([source], JDBC), async (made) => {
    const copy = ['dependency:copy', `-Dartifact=${JDBC}`, `-DoutputDirectory=${made}`];
    await runCommand('mvn', ['--batch-mode', '--quiet', ...copy], { timeoutMs: 10 * MINUTE_MS });
    await runCommand('javac', ['--release', '17', '-d', made, source], { timeoutMs: MINUTE_MS });
  });
  return `${folder}:${folder}/*`;
};

/** Builds or installs the clients that the cache does not have; needs Python, Go and Maven. */
export const buildPostgresClients = async (): Promise<PostgresClients> => {
  const requirements = join(sources, 'requirements.txt');
  const python = await installPython('psycopg', requirements, () => undefined);
  return {
    psycopg: [join(python, 'bin/python'), join(sources, 'psycopg_query.py')],
    pgx: [await buildPgx()],
    jdbc: ['java', '-XX:TieredStopAtLevel=1', '-Xmx64m', '-cp', await buildJdbc(), 'Query'],
  };
};
