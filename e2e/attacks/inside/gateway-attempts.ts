import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { NetConnectOpts } from 'node:net';
import { json } from 'node:stream/consumers';
import { LOOPBACK_HOST, getOwnSocket, readOwnToken } from './raw-request.ts';
import { readResponses } from './response-reader.ts';
import { createRequestSigner, GATEWAY_HOST } from './signed-attempt.ts';
import type { LocalKeys, SignedAttempt } from './signed-attempt.ts';

const GATEWAY: NetConnectOpts = { host: '127.0.0.1', port: 9473 };
const getGatewaySocket = (): NetConnectOpts => ({
  path: process.env['VALETKEY_GATEWAY_SOCKET'] ?? '',
});

const READABLE = '/acme-data/reports/q3.csv';
const FOREIGN = '/acme-data/secrets/keys.txt';
const CONTENT = 'quarter,revenue\nq3,42\n';

type AttemptContext = {
  sign: (attempt: SignedAttempt) => string;
  keys: LocalKeys;
  /** The access key of another consumer of the pod. */
  foreignId: string;
};

/** Bytes that are sent before a valid request, on the same connection. */
type Attempt = (context: AttemptContext) => string;

const unsigned = (line: string, ...headers: string[]): string =>
  [`${line} HTTP/1.1`, `Host: ${GATEWAY_HOST}`, ...headers, '', ''].join('\r\n');

const SMUGGLED = unsigned(`GET ${FOREIGN}`);

/** Adds lines to the head of a request; the signature does not cover them. */
const addHeader = (text: string, ...lines: string[]): string =>
  text.replace('\r\n\r\n', ['', ...lines, '', ''].join('\r\n'));

const REQUESTS: Record<string, Attempt> = {
  'with everything right': ({ sign }) => sign({}),
  'outside its task': ({ sign }) => sign({ path: FOREIGN }),
  'without a signature': () => unsigned(`GET ${READABLE}`),
  'with a loopback token': () => unsigned(`GET ${READABLE}`, `Authorization: ${readOwnToken()}`),
  'with another secret': ({ sign, keys }) =>
    sign({ keys: { ...keys, secretAccessKey: 'x'.repeat(43) } }),
  'with another session token': ({ sign, keys }) =>
    sign({ keys: { ...keys, sessionToken: 'x'.repeat(43) } }),
  "with another consumer's access key": ({ sign, keys, foreignId }) =>
    sign({ keys: { ...keys, accessKeyId: foreignId } }),
  'signed 20 minutes ago': ({ sign }) => sign({ ageMs: 20 * 60_000 }),
  'with another path than signed': ({ sign }) => sign({}).replace(READABLE, FOREIGN),
  'with another method than signed': ({ sign }) => sign({}).replace('GET', 'DELETE'),
  'with an unsigned header of AWS': ({ sign }) =>
    addHeader(sign({}), 'x-amz-copy-source: /acme-data/secrets/keys.txt'),
  'with CL and TE': ({ sign }) =>
    sign({
      method: 'PUT',
      unsignedHeaders: ['Content-Length: 5', 'Transfer-Encoding: chunked'],
    }) + `0\r\n\r\n${SMUGGLED}`,
  'with TE in two headers': ({ sign }) =>
    sign({
      method: 'PUT',
      unsignedHeaders: ['Transfer-Encoding: chunked', 'Transfer-Encoding: identity'],
    }) + `0\r\n\r\n${SMUGGLED}`,
  'with two lengths': ({ sign }) =>
    addHeader(sign({}), 'Content-Length: 0', `Content-Length: ${SMUGGLED.length}`) + SMUGGLED,
  'with a body of GET': ({ sign }) =>
    addHeader(sign({}), `Content-Length: ${SMUGGLED.length}`) + SMUGGLED,
  'with chunk extensions': ({ sign }) =>
    sign({ method: 'PUT', unsignedHeaders: ['Transfer-Encoding: chunked'] }) +
    `3;a="\r\n${SMUGGLED}"\r\nabc\r\n0\r\n\r\n`,
  'with a space before the colon': ({ sign }) => addHeader(sign({}), 'X-A : b'),
  'with a bare line feed': ({ sign }) => sign({}).replaceAll('\r\n', '\n'),
  'with a folded header': ({ sign }) => addHeader(sign({}), 'X-A: b', ' c'),
  'in HTTP/2': () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'to upgrade to h2c': ({ sign }) =>
    addHeader(sign({}), 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c'),
  'to upgrade to a WebSocket': ({ sign }) =>
    addHeader(sign({}), 'Connection: Upgrade', 'Upgrade: websocket'),
  'in absolute form': ({ sign }) => sign({}).replace(READABLE, `http://${GATEWAY_HOST}${READABLE}`),
  'by CONNECT': () => unsigned('CONNECT 169.254.169.254:80'),
  'to another Host': ({ sign }) => sign({}).replace(/host: .*/i, 'Host: evil.example'),
  'with headers in upper case': ({ sign }) =>
    sign({}).replace(/^x-amz[\w-]+/gim, (name) => name.toUpperCase()),
  'with a header in two cases': ({ sign }) => addHeader(sign({}), 'X-AMZ-DATE: 20200101T000000Z'),
  'with a query key twice': ({ sign }) => sign({ path: '/acme-data', query: 'prefix=a&prefix=b' }),
  'with dot segments in a key': ({ sign }) =>
    sign({ path: '/acme-data/reports/../secrets/keys.txt' }),
  'with an encoded slash after the bucket': ({ sign }) =>
    sign({}).replace(READABLE, READABLE.replace('data/', 'data%2F')),
  'with an encoded slash, outside its task': ({ sign }) =>
    sign({ path: FOREIGN }).replace(FOREIGN, FOREIGN.replace('data/', 'data%2F')),
  'from a browser': ({ sign }) => addHeader(sign({}), 'Origin: http://evil.example'),
};

/**
 * Sends each attempt, and behind it on the same connection a request that is right.
 *
 * @returns name → what was answered: `400 request_malformed, then 200` or `…, then closed`
 */
export const attackGateway = async (foreignId: string): Promise<Record<string, string>> => {
  const keys = await readOwnKeys();
  const sign = createRequestSigner(keys);
  const outcomes: Record<string, string> = {};
  for (const [where, to] of [
    ['loopback', GATEWAY],
    ['socket', getGatewaySocket()],
  ] as const) {
    for (const [name, attempt] of Object.entries(REQUESTS)) {
      const text = attempt({ sign, keys, foreignId });
      const next = sign({});
      outcomes[`gateway ${where} ${name}`] = describe(await readResponses(to, [text, next]));
    }
  }
  return outcomes;
};

type Answer = Awaited<ReturnType<typeof readResponses>>[number];

const describe = ([first, second, ...more]: readonly Answer[]): string => {
  if (more.length > 0) return `${more.length + 2} responses to 2 requests`;
  return `${format(first)}, then ${second === undefined ? 'closed' : format(second)}`;
};

const format = (answer: Answer | undefined): string => {
  if (answer === undefined) return 'nothing';
  const { status, code, body } = answer;
  if (status === 200) return body === CONTENT ? '200' : '200 with other content';
  return code === undefined ? String(status) : `${status} ${code}`;
};

type Credentials = { AccessKeyId: string; SecretAccessKey: string; Token: string };

const readOwnKeys = async (): Promise<LocalKeys> => {
  const { path } = getOwnSocket() as { path: string };
  const headers = { host: LOOPBACK_HOST };
  const call = request({ socketPath: path, path: '/v1/credentials', headers }).end();
  const [response] = (await once(call, 'response')) as [IncomingMessage];
  const { AccessKeyId, SecretAccessKey, Token } = (await json(response)) as Credentials;
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: Token };
};

const FOLDERS = ['/var/run/valetkey', '/var/run/valetkey/..', '/var/run/valetkey/helper'];

/** Tries to read the seed of the own keys, and of those of the other consumer. */
export const readSeeds = (): string =>
  [
    ...new Set(
      FOLDERS.map((folder) => {
        try {
          return `got ${readFileSync(`${folder}/seed`).length} bytes`;
        } catch (error) {
          return (error as NodeJS.ErrnoException).code ?? String(error);
        }
      }),
    ),
  ].join(', ');
