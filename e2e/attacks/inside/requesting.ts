import type { NetConnectOpts } from 'node:net';
import { LOOPBACK, LOOPBACK_HOST, ownSocket, ownToken, sendRaw } from './raw-request.ts';

const MEGABYTE = 1024 * 1024;

type Header = readonly [name: string, value: string];

const written = (line: string, headers: readonly Header[], body = ''): string =>
  `${line} HTTP/1.1\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;

const HOST: Header = ['Host', LOOPBACK_HOST];
const authorized = (): readonly Header[] => [HOST, ['Authorization', ownToken()]];
const CREDENTIALS = 'GET /v1/credentials';
const START = 'POST /v1/tasks/read/runs';
const JSON_BODY: Header = ['Content-Type', 'application/json'];

/** With the right token and these headers besides. */
const adorned = (...headers: Header[]) => written(CREDENTIALS, [...authorized(), ...headers]);

const loopback: Record<string, () => string> = {
  'with everything right': () => written(CREDENTIALS, authorized()),
  'without authorization': () => written(CREDENTIALS, [HOST]),
  'with an empty authorization': () => written(CREDENTIALS, [HOST, ['Authorization', '']]),
  'with the wrong authorization': () =>
    written(CREDENTIALS, [HOST, ['Authorization', 'x'.repeat(43)]]),
  'with the token as Bearer': () =>
    written(CREDENTIALS, [HOST, ['Authorization', `Bearer ${ownToken()}`]]),
  'with two authorizations': () => adorned(['Authorization', 'x']),
  'to start a run without authorization': () =>
    written(START, [HOST, JSON_BODY, ['Content-Length', '2']], '{}'),
  'to end a run without authorization': () => written('DELETE /v1/runs/run-1', [HOST]),
  'to Host localhost': () =>
    written(CREDENTIALS, [
      ['Host', 'localhost:9471'],
      ['Authorization', ownToken()],
    ]),
  'to a rebound Host': () =>
    written(CREDENTIALS, [
      ['Host', 'evil.example'],
      ['Authorization', ownToken()],
    ]),
  'to two Hosts': () => adorned(['Host', 'evil.example']),
  'to no Host': () => written(CREDENTIALS, [['Authorization', ownToken()]]),
  'from an Origin': () => adorned(['Origin', 'http://evil.example']),
  'from the Origin null': () => adorned(['Origin', 'null']),
  'from a browser': () => adorned(['Sec-Fetch-Site', 'cross-site']),
  'through a proxy': () => adorned(['Via', '1.1 proxy']),
  'forwarded for another': () => adorned(['X-Forwarded-For', '127.0.0.1']),
  'in absolute form': () => written(`GET http://${LOOPBACK_HOST}/v1/credentials`, authorized()),
  'in absolute form, elsewhere': () =>
    written('GET http://169.254.169.254/latest/meta-data', authorized()),
  'with two slashes first': () => written('GET //v1/credentials', authorized()),
  'by CONNECT': () => written('CONNECT 169.254.169.254:80', authorized()),
  'by OPTIONS *': () => written('OPTIONS *', authorized()),
  'by TRACE': () => written('TRACE /v1/credentials', authorized()),
  'to upgrade': () => adorned(['Connection', 'Upgrade'], ['Upgrade', 'h2c']),
};

const either: Record<string, () => string> = {
  'with CL and TE': () =>
    written(
      START,
      [...authorized(), JSON_BODY, ['Content-Length', '2'], ['Transfer-Encoding', 'chunked']],
      `0\r\n\r\n${written(CREDENTIALS, [HOST])}`,
    ),
  'with two lengths': () =>
    written(START, [...authorized(), ['Content-Length', '2'], ['Content-Length', '3']], '{} '),
  'with TE in disguise': () =>
    written(START, [...authorized(), ['Transfer-Encoding', 'xchunked']], '{}'),
  'with a bare line feed': () => `GET /v1/credentials HTTP/1.1\nHost: ${LOOPBACK_HOST}\n\n`,
  'with a folded header': () =>
    `GET /v1/credentials HTTP/1.1\r\nHost: ${LOOPBACK_HOST}\r\nX: a\r\n b\r\n\r\n`,
  'with a NUL in a header': () => adorned(['X', 'a\0b']),
  'in HTTP/2': () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'in TLS': () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
  'with a path of 1 MB': () => written(`GET /${'a'.repeat(MEGABYTE)}`, authorized()),
  'with 20,000 headers': () =>
    adorned(...Array.from({ length: 20_000 }, (_, n) => [`X-${n}`, 'a'] as const)),
  'with a header of 1 MB': () => adorned(['X', 'a'.repeat(MEGABYTE)]),
  'with 400 small headers': () =>
    adorned(...Array.from({ length: 400 }, (_, n) => [`x${n}`, ''] as const)),
  'with a length of 1 TB': () =>
    written(START, [...authorized(), JSON_BODY, ['Content-Length', '1000000000000']], '{'),
  'with 1 MB in chunks': () =>
    written(
      START,
      [...authorized(), JSON_BODY, ['Transfer-Encoding', 'chunked']],
      `100000\r\n${'a'.repeat(MEGABYTE)}\r\n0\r\n\r\n`,
    ),
  'with a chunk that has no end': () =>
    written(
      START,
      [...authorized(), JSON_BODY, ['Transfer-Encoding', 'chunked']],
      `1;${'a'.repeat(MEGABYTE)}`,
    ),
  'with lists 8,000 deep': () => started('['.repeat(8_000) + ']'.repeat(8_000)),
  'with __proto__': () => started('{"__proto__": {"params": {}}}'),
  'with unknown members': () => started(`{${'"a":1,'.repeat(2_000)}"b":1}`),
  'with a body that says another type': () =>
    written(
      START,
      [...authorized(), ['Content-Type', 'text/plain'], ['Content-Length', '2']],
      '{}',
    ),
};

const started = (body: string): string =>
  written(START, [...authorized(), JSON_BODY, ['Content-Length', String(body.length)]], body);

const attempts = (
  to: () => NetConnectOpts,
  requests: Record<string, () => string>,
  where: string,
) =>
  Object.entries(requests).map(
    ([name, text]) => [`${where} ${name}`, () => sendRaw(to(), text())] as const,
  );

/** Requests, byte by byte: attempt → what answered. */
export const requesting: Record<string, () => Promise<string>> = Object.fromEntries([
  ...attempts(() => LOOPBACK, { ...loopback, ...either }, 'loopback'),
  ...attempts(ownSocket, either, 'socket'),
]);
