import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chownSync,
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createCertificateAuthority, signLeaf } from '../lib/certificate/certificate-authority.ts';
import { findFreePorts } from '../test/kit/free-ports.ts';
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
  /** PEM: trusts the server as `localhost`, and by its other address. */
  readonly caBundle: string;
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

const DAY_MS = 86_400_000;

/** The server wants its key readable by itself alone. */
const writeCertificate = async (
  directory: string,
  user: { uid: number; gid: number } | undefined,
  names: readonly string[],
): Promise<{ caBundle: string; settings: Record<string, string> }> => {
  const validity = { now: Date.now(), lifetimeMs: DAY_MS };
  const authority = await createCertificateAuthority(validity);
  const leaf = await signLeaf(authority, { names, ...validity });
  const [certificate, key] = [join(directory, 'server.crt'), join(directory, 'server.key')];
  writeFileSync(certificate, leaf.certificate);
  writeFileSync(key, leaf.key, { mode: 0o600 });
  if (user !== undefined) chownSync(key, user.uid, user.gid);
  const settings = { ssl: 'on', ssl_cert_file: certificate, ssl_key_file: key };
  return { caBundle: authority.certificate, settings };
};

/**
 * Starts a server that accepts SCRAM only and logs every statement.
 *
 * @param installed directory with `bin`, `lib` and `share`, which is copied: the server's user cannot read
 *   the cache of root; absent: Debian's
 * @param address another one than loopback, at which it serves clients from anywhere
 */
export const startPostgres = async (
  installed?: string,
  address?: string,
): Promise<PostgresServer> => {
  const others = address === undefined ? [] : [address];
  const user = findUser();
  const directory = mkdtempSync(join(tmpdir(), 'postgres-'));
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const copied = join(directory, 'programs');
  if (installed !== undefined)
    cpSync(installed, copied, { recursive: true, verbatimSymlinks: true });
  const programs = installed === undefined ? findPrograms() : join(copied, 'bin');
  const password = randomBytes(16).toString('hex');
  const passwordFile = join(directory, 'password');
  writeFileSync(passwordFile, password);
  const data = join(directory, 'data');
  const options = ['--pwfile', passwordFile, '-A', 'scram-sha-256', '-U', 'postgres', '--no-sync'];
  execFileSync(join(programs, 'initdb'), ['-D', data, ...options], { ...user, stdio: 'pipe' });
  if (address !== undefined)
    appendFileSync(join(data, 'pg_hba.conf'), 'hostssl all all 0.0.0.0/0 scram-sha-256\n');
  const [port = 0] = await findFreePorts(1);
  const tls = await writeCertificate(directory, user, ['localhost', ...others]);
  const settings = {
    ...tls.settings,
    port,
    listen_addresses: ['127.0.0.1', ...others].join(','),
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
  return { version, connect, password, port, caBundle: tls.caBundle, readLog: () => text, stop };
};
