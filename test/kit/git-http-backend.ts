import { spawn, spawnSync } from 'node:child_process';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http';
import { join } from 'node:path';
import { Transform } from 'node:stream';

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

/** Creates a bare repository that accepts pushes over HTTP, and options of pushes. */
export const createBareRepository = (root: string, name: string): void => {
  const run = (args: string[]) => spawnSync('git', args, { cwd: root, env: GIT_ENV });
  run(['init', '--quiet', '--bare', '--initial-branch=main', name]);
  for (const setting of ['http.receivepack', 'receive.advertisePushOptions']) {
    run(['-C', join(root, name), 'config', setting, 'true']);
  }
};

const HEAD_END = '\r\n\r\n';

/** Parses the head of a CGI response (RFC 3875, section 6). */
const parseHead = (head: string): { status: number; headers: Record<string, string> } => {
  const fields = head.split('\r\n').map((field) => field.split(': ') as [string, string]);
  const { Status: status = '200', ...headers } = Object.fromEntries(fields) as Record<
    string,
    string
  >;
  return { status: Number(status.slice(0, 3)), headers };
};

/** Passes a CGI response on: first its head, then its body piece by piece. */
const createCgiResponse = (outgoing: ServerResponse): Transform => {
  let head: Buffer | undefined = Buffer.alloc(0);
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      if (head === undefined) {
        done(null, chunk);
        return;
      }
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf(HEAD_END);
      if (end < 0) {
        done();
        return;
      }
      const { status, headers } = parseHead(head.toString('latin1', 0, end));
      outgoing.writeHead(status, headers);
      const rest = head.subarray(end + HEAD_END.length);
      head = undefined;
      done(null, rest);
    },
  });
};

export type GitServerOptions = {
  /** Folder of the repositories. */
  readonly root: string;
  /** The only accepted value of the header `Authorization`. */
  readonly authorization: string;
  /** Called with each request before it is answered. */
  readonly received?: (incoming: IncomingMessage) => void;
  /** Through which bodies of requests pass. */
  readonly createBodyFilter?: () => Transform;
};

/** Serves `git http-backend` (CGI). */
export const createGitListener =
  ({ root, authorization, received, createBodyFilter }: GitServerOptions): RequestListener =>
  (incoming, outgoing) => {
    received?.(incoming);
    const { headers, method = '', url = '' } = incoming;
    if (headers.authorization !== authorization) {
      outgoing.writeHead(401, { 'www-authenticate': 'Basic realm="forge"' }).end();
      return;
    }
    const [path = '', query = ''] = url.split('?');
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
    incoming.on('aborted', () => child.kill());
    (createBodyFilter === undefined ? incoming : incoming.pipe(createBodyFilter())).pipe(
      child.stdin,
    );
    child.stdout.pipe(createCgiResponse(outgoing)).pipe(outgoing);
  };

/** Creates a server of `git http-backend`. It does not listen yet. */
export const createGitServer = (options: GitServerOptions): Server =>
  createServer(createGitListener(options));
