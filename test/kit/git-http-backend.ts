import { spawn, spawnSync } from 'node:child_process';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Readable } from 'node:stream';

/** Variables that keep the user's own settings out of a test. */
const GIT_ENV = {
  PATH: process.env['PATH'] ?? '',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_AUTHOR_NAME: 'agent',
  GIT_AUTHOR_EMAIL: 'agent@example',
  GIT_COMMITTER_NAME: 'agent',
  GIT_COMMITTER_EMAIL: 'agent@example',
};

export type GitResult = { readonly status: number; readonly output: string };

/** Runs git and returns what it printed. */
export const runGit = (
  folder: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<GitResult> =>
  new Promise((resolve, reject) => {
    const child = spawn('git', args, { cwd: folder, env: { ...GIT_ENV, HOME: folder, ...env } });
    const chunks: Buffer[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    }
    child.on('error', reject);
    child.on('close', (status) =>
      resolve({ status: status ?? -1, output: Buffer.concat(chunks).toString() }),
    );
  });

/** Creates a bare repository that accepts pushes and deletions over HTTP. */
export const createBareRepository = (root: string, name: string): void => {
  const run = (args: string[]) => spawnSync('git', args, { cwd: root, env: GIT_ENV });
  run(['init', '--quiet', '--bare', '--initial-branch=main', name]);
  run(['-C', join(root, name), 'config', 'http.receivepack', 'true']);
};

/**
 * Serves one request by `git http-backend` (CGI).
 *
 * @param path below the root of repositories
 * @param body of the request, from its beginning
 */
export const serveGit = (
  { root, path, query }: { root: string; path: string; query: string },
  {
    incoming,
    outgoing,
    body,
  }: { incoming: IncomingMessage; outgoing: ServerResponse; body: Readable },
): void => {
  const { headers, method = '' } = incoming;
  const child = spawn('git', ['http-backend'], {
    env: {
      ...GIT_ENV,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      REMOTE_USER: 'agent',
      REQUEST_METHOD: method,
      PATH_INFO: path,
      QUERY_STRING: query,
      CONTENT_TYPE: headers['content-type'] ?? '',
      ...(headers['content-encoding'] && { HTTP_CONTENT_ENCODING: headers['content-encoding'] }),
      ...(headers['git-protocol'] && { GIT_PROTOCOL: String(headers['git-protocol']) }),
    },
  });
  child.stdin.on('error', () => undefined);
  body.pipe(child.stdin);
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.on('close', () => {
    const output = Buffer.concat(chunks);
    const end = output.indexOf('\r\n\r\n');
    const fields = output.toString('latin1', 0, end).split('\r\n');
    const pairs = fields.map((field) => field.split(': ') as [string, string]);
    const status = pairs.find(([name]) => name === 'Status')?.[1] ?? '200';
    outgoing.writeHead(Number(status.slice(0, 3)), Object.fromEntries(pairs));
    outgoing.end(output.subarray(end + 4));
  });
};
