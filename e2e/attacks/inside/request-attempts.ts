import type { NetConnectOpts } from 'node:net';
import { LOOPBACK, LOOPBACK_HOST, getOwnSocket, readOwnToken, sendRaw } from './raw-request.ts';

const MEGABYTE = 1024 * 1024;

type Header = readonly [name: string, value: string];

const formatRequest = (line: string, headers: readonly Header[], body = ''): string =>
  `${line} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;

const HOST: Header = ['Host', LOOPBACK_HOST];
const buildAuthorizedHeaders = (): readonly Header[] => [HOST, ['Authorization', readOwnToken()]];
const CREDENTIALS_LINE = 'GET /v1/credentials';
const START_LINE = 'POST /v1/tasks/read/runs';
const JSON_BODY: Header = ['Content-Type', 'application/json'];

/** Formats a request with the valid token and further headers. */
const formatAuthorizedRequest = (...headers: Header[]) =>
  formatRequest(CREDENTIALS_LINE, [...buildAuthorizedHeaders(), ...headers]);

const LOOPBACK_REQUESTS: Record<string, () => string> = {
  'with everything right': () => formatRequest(CREDENTIALS_LINE, buildAuthorizedHeaders()),
  'without authorization': () => formatRequest(CREDENTIALS_LINE, [HOST]),
  'with an empty authorization': () =>
    formatRequest(CREDENTIALS_LINE, [HOST, ['Authorization', '']]),
  'with the wrong authorization': () =>
    formatRequest(CREDENTIALS_LINE, [HOST, ['Authorization', 'x'.repeat(43)]]),
  'with the token as Bearer': () =>
    formatRequest(CREDENTIALS_LINE, [HOST, ['Authorization', `Bearer ${readOwnToken()}`]]),
  'with two authorizations': () => formatAuthorizedRequest(['Authorization', 'x']),
  'to start a run without authorization': () =>
    formatRequest(START_LINE, [HOST, JSON_BODY, ['Content-Length', '2']], '{}'),
  'to end a run without authorization': () => formatRequest('DELETE /v1/runs/run-1', [HOST]),
  'to Host localhost': () =>
    formatRequest(CREDENTIALS_LINE, [
      ['Host', 'localhost:9471'],
      ['Authorization', readOwnToken()],
    ]),
  'to a rebound Host': () =>
    formatRequest(CREDENTIALS_LINE, [
      ['Host', 'evil.example'],
      ['Authorization', readOwnToken()],
    ]),
  'to two Hosts': () => formatAuthorizedRequest(['Host', 'evil.example']),
  'to no Host': () => formatRequest(CREDENTIALS_LINE, [['Authorization', readOwnToken()]]),
  'from an Origin': () => formatAuthorizedRequest(['Origin', 'http://evil.example']),
  'from the Origin null': () => formatAuthorizedRequest(['Origin', 'null']),
  'from a browser': () => formatAuthorizedRequest(['Sec-Fetch-Site', 'cross-site']),
  'through a proxy': () => formatAuthorizedRequest(['Via', '1.1 proxy']),
  'forwarded for another': () => formatAuthorizedRequest(['X-Forwarded-For', '127.0.0.1']),
  'in absolute form': () =>
    formatRequest(`GET http://${LOOPBACK_HOST}/v1/credentials`, buildAuthorizedHeaders()),
  'in absolute form, elsewhere': () =>
    formatRequest('GET http://169.254.169.254/latest/meta-data', buildAuthorizedHeaders()),
  'with two slashes first': () => formatRequest('GET //v1/credentials', buildAuthorizedHeaders()),
  'by CONNECT': () => formatRequest('CONNECT 169.254.169.254:80', buildAuthorizedHeaders()),
  'by OPTIONS *': () => formatRequest('OPTIONS *', buildAuthorizedHeaders()),
  'by TRACE': () => formatRequest('TRACE /v1/credentials', buildAuthorizedHeaders()),
  'to upgrade': () => formatAuthorizedRequest(['Connection', 'Upgrade'], ['Upgrade', 'h2c']),
};

const EITHER_LISTENER_REQUESTS: Record<string, () => string> = {
  'with CL and TE': () =>
    formatRequest(
      START_LINE,
      [
        ...buildAuthorizedHeaders(),
        JSON_BODY,
        ['Content-Length', '2'],
        ['Transfer-Encoding', 'chunked'],
      ],
      `0\r\n\r\n${formatRequest(CREDENTIALS_LINE, [HOST])}`,
    ),
  'with two lengths': () =>
    formatRequest(
      START_LINE,
      [...buildAuthorizedHeaders(), ['Content-Length', '2'], ['Content-Length', '3']],
      '{} ',
    ),
  'with TE in disguise': () =>
    formatRequest(
      START_LINE,
      [...buildAuthorizedHeaders(), ['Transfer-Encoding', 'xchunked']],
      '{}',
    ),
  'with a bare line feed': () => `GET /v1/credentials HTTP/1.1\nHost: ${LOOPBACK_HOST}\n\n`,
  'with a folded header': () =>
    `GET /v1/credentials HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nX: a\r\n b\r\n\r\n`,
  'with a NUL in a header': () => formatAuthorizedRequest(['X', 'a\0b']),
  'in HTTP/2': () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'in TLS': () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'with a path of 1 MB': () =>
    formatRequest(`GET /${'a'.repeat(MEGABYTE)}`, buildAuthorizedHeaders()),
  'with 20,000 headers': () =>
    formatAuthorizedRequest(...Array.from({ length: 20_000 }, (_, n) => [`X-${n}`, 'a'] as const)),
  'with a header of 1 MB': () => formatAuthorizedRequest(['X', 'a'.repeat(MEGABYTE)]),
  'with 400 small headers': () =>
    formatAuthorizedRequest(...Array.from({ length: 400 }, (_, n) => [`x${n}`, ''] as const)),
  'with a length of 1 TB': () =>
    formatRequest(
      START_LINE,
      [...buildAuthorizedHeaders(), JSON_BODY, ['Content-Length', '1000000000000']],
      '{',
    ),
  'with 1 MB in chunks': () =>
    formatRequest(
      START_LINE,
      [...buildAuthorizedHeaders(), JSON_BODY, ['Transfer-Encoding', 'chunked']],
      `100000\r\n${'a'.repeat(MEGABYTE)}\r\n0\r\n\r\n`,
    ),
  'with a chunk that has no end': () =>
    formatRequest(
      START_LINE,
      [...buildAuthorizedHeaders(), JSON_BODY, ['Transfer-Encoding', 'chunked']],
      `1;${'a'.repeat(MEGABYTE)}`,
    ),
  'with lists 8,000 deep': () => formatStartBody('['.repeat(8_000) + ']'.repeat(8_000)),
  'with __proto__': () => formatStartBody('{"__proto__": {"params": {}}}'),
  'with unknown members': () => formatStartBody(`{${'"a":1,'.repeat(2_000)}"b":1}`),
  'with a body that says another type': () =>
    formatRequest(
      START_LINE,
      [...buildAuthorizedHeaders(), ['Content-Type', 'text/plain'], ['Content-Length', '2']],
      '{}',
    ),
};

const formatStartBody = (body: string): string =>
  formatRequest(
    START_LINE,
    [...buildAuthorizedHeaders(), JSON_BODY, ['Content-Length', String(body.length)]],
    body,
  );

const buildAttempts = (
  to: () => NetConnectOpts,
  requests: Record<string, () => string>,
  where: string,
) =>
  Object.entries(requests).map(
    ([name, text]) => [`${where} ${name}`, () => sendRaw(to(), text())] as const,
  );

/** Malformed and malicious requests: name → response. */
export const REQUEST_ATTEMPTS: Record<string, () => Promise<string>> = Object.fromEntries([
  ...buildAttempts(
    () => LOOPBACK,
    { ...LOOPBACK_REQUESTS, ...EITHER_LISTENER_REQUESTS },
    'loopback',
  ),
  ...buildAttempts(getOwnSocket, EITHER_LISTENER_REQUESTS, 'socket'),
]);
