import {
  chmodSync,
  existsSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { LOOPBACK_HOST, open, ownSocket, sendRaw } from './raw-request.ts';

/** What an attempt came to: an error's code, or what it got. */
const outcomeOf = (attempt: () => unknown): string => {
  try {
    const got = attempt();
    return `got ${typeof got === 'string' ? got.slice(0, 200) : 'it'}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
};

const read = (path: string): string => readFileSync(path, 'utf8');

const ROOTS = ['', '/proc/1/root', '/proc/self/root'];
const TOKEN_FOLDERS = [
  '/var/run/secrets/kubernetes.io/serviceaccount',
  '/run/secrets/kubernetes.io/serviceaccount',
  '/var/run/valetkey/../secrets/kubernetes.io/serviceaccount',
  '/var/lib/kubelet/pods',
];

/** The exchange token by every name that its file has anywhere. */
const tokenByPath = (): string =>
  distinct(
    ROOTS.flatMap((root) =>
      TOKEN_FOLDERS.flatMap((folder) =>
        ['token', '..data/token'].map((name) => outcomeOf(() => read(join(root + folder, name)))),
      ),
    ),
  );

/** Anything that looks like a JWT, in every file that can be read. */
const tokenAnywhere = (): string => {
  const found = walk('/').filter((path) => /^eyJ[\w-]+\.[\w-]+\.[\w-]+\s*$/.test(quietly(path)));
  return found.length === 0 ? 'nothing' : `got ${found.join(', ')}`;
};

const PASSED_OVER = new Set(['/proc', '/sys', '/dev', '/lib', '/usr']);

const walk = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return PASSED_OVER.has(path) ? [] : walk(path);
      return entry.isFile() || entry.isSymbolicLink() ? [path] : [];
    });
  } catch {
    return [];
  }
};

const quietly = (path: string): string => {
  try {
    return lstatSync(path).size > 65_536 ? '' : read(path);
  } catch {
    return '';
  }
};

const processes = (): readonly string[] =>
  readdirSync('/proc').filter((name) => /^\d+$/.test(name));

/** Of all processes that can be seen: those whose command or environment is the sidecar's. */
const sidecarInProc = (): string => {
  const found = processes().filter((id) =>
    /sidecar\.cjs|VALETKEY_TASKS/.test(
      quietly(`/proc/${id}/cmdline`) + quietlyBig(`/proc/${id}/environ`),
    ),
  );
  return found.length === 0 ? 'not there' : `got ${found.join(', ')}`;
};

const quietlyBig = (path: string): string => {
  try {
    return read(path);
  } catch {
    return '';
  }
};

/** Every process number there may be, but for those of this container, threads included. */
const strangers = (act: (id: number) => unknown): string => {
  const ids = Array.from({ length: 32_768 }, (_, id) => id + 1);
  return distinct(
    ids.filter((id) => !existsSync(`/proc/${id}`)).map((id) => outcomeOf(() => act(id))),
  );
};

const distinct = (outcomes: readonly string[]): string => [...new Set(outcomes)].join(', ');

/** Every port that somebody in the pod's network listens on. */
const listeners = (): string => {
  const ports = ['tcp', 'tcp6'].flatMap((name) =>
    read(`/proc/net/${name}`)
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns[3] === '0A')
      .map((columns) => parseInt(columns[1]?.split(':')[1] ?? '', 16)),
  );
  return [...new Set(ports)].sort((a, b) => a - b).join(', ');
};

const connecting = (to: Parameters<typeof open>[0]): Promise<string> =>
  new Promise((resolve) => {
    const socket = open(to);
    socket.on('connect', () => {
      socket.destroy();
      resolve('got a connection');
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'an error'));
  });

const { dir: folder, path: socketPath } = (() => {
  const { path } = ownSocket() as { path: string };
  return { dir: path.slice(0, path.lastIndexOf('/')), path };
})();

/** The paths of unix sockets that the network namespace tells of, and whether one leads anywhere. */
const otherSockets = async (): Promise<string> => {
  const told = read('/proc/net/unix')
    .split('\n')
    .flatMap((line) => /\s(@?\/\S+)$/.exec(line)?.[1] ?? []);
  const guessed = ['helper/socket', '../helper/socket', '../valetkey/helper/socket'].map((name) =>
    join(folder, name),
  );
  const paths = [...new Set([...told, ...guessed])].filter((path) => path !== socketPath);
  return distinct(await Promise.all(paths.map((path) => connecting({ path }))));
};

const busybox = (...command: string[]): string => {
  const { status, stderr } = spawnSync('/bin/busybox', command, { encoding: 'utf8' });
  return status === 0 ? 'got it' : stderr.trim();
};

const wroteSocket = (): string =>
  distinct([
    outcomeOf(() => unlinkSync(socketPath)),
    outcomeOf(() => renameSync(socketPath, `${socketPath}.old`)),
    outcomeOf(() => symlinkSync('/tmp/mine', `${folder}/mine`)),
    outcomeOf(() => writeFileSync(`${folder}/token`, 'mine')),
    outcomeOf(() => chmodSync(socketPath, 0o600)),
    outcomeOf(() => openSync(`${folder}/new`, 'w')),
  ]);

/** How far this container reaches beyond itself: attempt → what came of it. */
export const reaching: Record<string, () => string | Promise<string>> = {
  'read the token by path': tokenByPath,
  'read the token anywhere': tokenAnywhere,
  'find the sidecar in /proc': sidecarInProc,
  'send SIGUSR1 to every process': () => strangers((id) => process.kill(id, 'SIGUSR1')),
  'send SIGKILL to every process': () => strangers((id) => process.kill(id, 'SIGKILL')),
  "read every process's environment": () => strangers((id) => read(`/proc/${id}/environ`)),
  "write every process's memory": () => strangers((id) => openSync(`/proc/${id}/mem`, 'r+')),
  'reach the inspector': () => connecting({ host: '127.0.0.1', port: 9229 }),
  'list listeners': listeners,
  "connect to the other consumer's socket": otherSockets,
  'replace the socket': wroteSocket,
  'mount over the socket': () => busybox('mount', '-t', 'tmpfs', 'none', folder),
  'remount the socket writable': () => busybox('mount', '-o', 'remount,rw', folder),
  'unmount the socket': () => busybox('umount', folder),
  'climb out of a route': () =>
    sendRaw(
      ownSocket(),
      `GET /v1/tasks/../../../var/run/secrets/kubernetes.io/serviceaccount/token HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\n\r\n`,
    ),
};
