import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chownSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectPostgres, type PostgresSession } from './postgres-client.ts';

/** Debian's packages put each version's programs here. */
const PROGRAMS = '/usr/lib/postgresql';

export type PostgresServer = {
  readonly version: string;
  readonly connect: (options: {
    user: string;
    password: string;
    database?: string;
  }) => Promise<PostgresSession>;
  /** Password of the superuser `postgres`. */
  readonly password: string;
  readonly port: number;
  readonly readLog: () => string;
  readonly stop: () => Promise<void>;
};

const findPrograms = (): string => {
  const [version] = existsSync(PROGRAMS) ? readdirSync(PROGRAMS).sort().reverse() : [];
  if (version === undefined) {
    throw new Error(`${PROGRAMS}: expected PostgreSQL; install the Debian package postgresql-15`);
  }
  return join(PROGRAMS, version, 'bin');
};

/** PostgreSQL refuses to run as root. */
const findUser = (): { uid: number; gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  const read = (flag: string): number =>
    Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: read('-u'), gid: read('-g') };
};

const findFreePort = async (): Promise<number> => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
};

/** Starts a server that accepts SCRAM only and logs every statement. */
export const startPostgres = async (): Promise<PostgresServer> => {
  const programs = findPrograms();
  const user = findUser();
  const directory = mkdtempSync(join(tmpdir(), 'postgres-'));
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const password = randomBytes(16).toString('hex');
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, password);
  const data = join(directory, 'data');
  const options = ['--pwfile', passwordFile, '-A', 'scram-sha-256', '-U', 'postgres', '--no-sync'];
  execFileSync(join(programs, 'initdb'), ['-D', data, ...options], { ...user, stdio: 'pipe' });
  const port = await findFreePort();
  const settings = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: directory,
    fsync: 'off',
    log_statement: 'all',
    log_connections: 'on',
    log_min_messages: 'debug1',
  };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = spawn(join(programs, 'postgres'), ['-D', data, ...flags], {
    ...user,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  const ready = new Promise<void>((resolve, reject) => {
    server.stderr.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('ready to accept connections')) resolve();
    });
    server.on('exit', () => {
      reject(new Error(`PostgreSQL did not start: ${text.slice(-500)}`));
    });
  });
  const exited = new Promise((resolve) => server.on('exit', resolve));
  const stop = async (): Promise<void> => {
    server.kill('SIGQUIT');
    await exited;
    rmSync(directory, { recursive: true, force: true });
  };
  const connect: PostgresServer['connect'] = ({ database = 'postgres', ...login }) =>
    connectPostgres({ port, database, ...login });
  await ready;
  const version = readFileSync(join(data, 'PG_VERSION'), 'utf8').trim();
  return { version, connect, password, port, readLog: () => text, stop };
};
