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
import { LOOPBACK_HOST, connectSocket, getOwnSocket, sendRaw } from './raw-request.ts';

/** Describes the outcome of an attempt: an error code, or what it got. */
const describeOutcome = (attempt: () => unknown): string => {
  try {
    const got = attempt();
    return `got ${typeof got === 'string' ? got.slice(0, 200) : 'it'}`;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? (error as Error).message;
  }
};

const readText = (path: string): string => readFileSync(path, 'utf8');

const PROCESS_ROOTS = ['', '/proc/1/root', '/proc/self/root'];
const TOKEN_FOLDERS = [
  '/var/run/secrets/kubernetes.io/serviceaccount',
  '/run/secrets/kubernetes.io/serviceaccount',
  '/var/run/valetkey/../secrets/kubernetes.io/serviceaccount',
  '/var/lib/kubelet/pods',
];

/** Tries to read the exchange token at every path that it might have. */
const readTokenByPath = (): string =>
  formatDistinct(
    PROCESS_ROOTS.flatMap((root) =>
      TOKEN_FOLDERS.flatMap((folder) =>
        ['token', '..data/token'].map((name) =>
          describeOutcome(() => readText(join(root + folder, name))),
        ),
      ),
    ),
  );

/** Searches every readable file for a JWT. */
const findTokenAnywhere = (): string => {
  const found = listFilesBelow('/').filter((path) =>
    /^eyJ[\w-]+\.[\w-]+\.[\w-]+\s*$/.test(readSmallFile(path)),
  );
  return found.length === 0 ? 'nothing' : `got ${found.join(', ')}`;
};

const SKIPPED_FOLDERS = new Set(['/proc', '/sys', '/dev', '/lib', '/usr']);

const listFilesBelow = (folder: string): readonly string[] => {
  try {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return SKIPPED_FOLDERS.has(path) ? [] : listFilesBelow(path);
      return entry.isFile() || entry.isSymbolicLink() ? [path] : [];
    });
  } catch {
    return [];
  }
};

const readSmallFile = (path: string): string => {
  try {
    return lstatSync(path).size > 65_536 ? '' : readText(path);
  } catch {
    return '';
  }
};

const listProcesses = (): readonly string[] =>
  readdirSync('/proc').filter((name) => /^\d+$/.test(name));

/** Searches visible processes for the command or environment of the sidecar. */
const findSidecarInProc = (): string => {
  const found = listProcesses().filter((id) =>
    /sidecar\.cjs|VALETKEY_TASKS/.test(
      readSmallFile(`/proc/${id}/cmdline`) + readFileOrEmpty(`/proc/${id}/environ`),
    ),
  );
  return found.length === 0 ? 'not there' : `got ${found.join(', ')}`;
};

const readFileOrEmpty = (path: string): string => {
  try {
    return readText(path);
  } catch {
    return '';
  }
};

/** Tries an action on every possible process id outside of this container, including threads. */
const tryOnForeignProcesses = (act: (id: number) => unknown): string => {
  const ids = Array.from({ length: 32_768 }, (_, id) => id + 1);
  return formatDistinct(
    ids.filter((id) => !existsSync(`/proc/${id}`)).map((id) => describeOutcome(() => act(id))),
  );
};

const formatDistinct = (outcomes: readonly string[]): string => [...new Set(outcomes)].join(', ');

/** Lists the ports in the pod's network that have a listener. */
const listListeningPorts = (): string => {
  const ports = ['tcp', 'tcp6'].flatMap((name) =>
    readText(`/proc/net/${name}`)
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((columns) => columns[3] === '0A')
      .map((columns) => parseInt(columns[1]?.split(':')[1] ?? '', 16)),
  );
  return [...new Set(ports)].sort((a, b) => a - b).join(', ');
};

const tryConnect = (to: Parameters<typeof connectSocket>[0]): Promise<string> =>
  new Promise((resolve) => {
    const socket = connectSocket(to);
    socket.on('connect', () => {
      socket.destroy();
      resolve('got a connection');
    });
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(code ?? 'an error'));
  });

const { dir: folder, path: socketPath } = (() => {
  const { path } = getOwnSocket() as { path: string };
  return { dir: path.slice(0, path.lastIndexOf('/')), path };
})();

/** Tries to connect to the Unix sockets that the network namespace lists, and to guessed ones. */
const tryOtherSockets = async (): Promise<string> => {
  const listed = readText('/proc/net/unix')
    .split('\n')
    .flatMap((line) => /\s(@?\/\S+)$/.exec(line)?.[1] ?? []);
  const folders = ['helper', '../helper', '../valetkey/helper'];
  const guessed = folders.flatMap((name) =>
    ['socket', 'gateway'].map((file) => join(folder, name, file)),
  );
  const own = [socketPath, process.env['VALETKEY_GATEWAY_SOCKET']];
  const paths = [...new Set([...listed, ...guessed])].filter((path) => !own.includes(path));
  return formatDistinct(await Promise.all(paths.map((path) => tryConnect({ path }))));
};

const runBusybox = (...command: string[]): string => {
  const { status, stderr } = spawnSync('/bin/busybox', command, { encoding: 'utf8' });
  return status === 0 ? 'got it' : stderr.trim();
};

const tryReplaceSocket = (): string =>
  formatDistinct([
    describeOutcome(() => unlinkSync(socketPath)),
    describeOutcome(() => renameSync(socketPath, `${socketPath}.old`)),
    describeOutcome(() => symlinkSync('/tmp/mine', `${folder}/mine`)),
    describeOutcome(() => writeFileSync(`${folder}/token`, 'mine')),
    describeOutcome(() => chmodSync(socketPath, 0o600)),
    describeOutcome(() => openSync(`${folder}/new`, 'w')),
  ]);

/** Attempts to reach beyond this container: name → outcome. */
export const ISOLATION_ATTEMPTS: Record<string, () => string | Promise<string>> = {
  'read the token by path': readTokenByPath,
  'read the token anywhere': findTokenAnywhere,
  'find the sidecar in /proc': findSidecarInProc,
  'send SIGUSR1 to every process': () => tryOnForeignProcesses((id) => process.kill(id, 'SIGUSR1')),
  'send SIGKILL to every process': () => tryOnForeignProcesses((id) => process.kill(id, 'SIGKILL')),
  "read every process's environment": () =>
    tryOnForeignProcesses((id) => readText(`/proc/${id}/environ`)),
  "write every process's memory": () =>
    tryOnForeignProcesses((id) => openSync(`/proc/${id}/mem`, 'r+')),
  'reach the inspector': () => tryConnect({ host: '127.0.0.1', port: 9229 }),
  'list listeners': listListeningPorts,
  "connect to the other consumer's socket": tryOtherSockets,
  'replace the socket': tryReplaceSocket,
  'mount over the socket': () => runBusybox('mount', '-t', 'tmpfs', 'none', folder),
  'remount the socket writable': () => runBusybox('mount', '-o', 'remount,rw', folder),
  'unmount the socket': () => runBusybox('umount', folder),
  'climb out of a route': () =>
    sendRaw(
      getOwnSocket(),
      `GET /v1/tasks/../../../var/run/secrets/kubernetes.io/serviceaccount/token HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\n\r\n`,
    ),
};
