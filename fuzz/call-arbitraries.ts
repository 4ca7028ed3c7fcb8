import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { parseRequestTarget, type RequestTarget } from '../lib/schema/request-target.ts';
import { signRequest } from '../lib/signing/sign.ts';
import { createTextSigner, type AwsKeys } from '../lib/signing/signing-keys.ts';
import { encodeConnection } from './http2-connection.ts';
import { HOST, LOCAL_KEYS, NOW_MS, REGION } from './gateway-harness.ts';

/** A request that an attacker writes and signs; everything in it may be false. */
export type Draft = {
  readonly service: string;
  readonly method: string;
  readonly path: string;
  readonly query: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Buffer;
  readonly payloadHash: string;
  readonly keys: AwsKeys | undefined;
  readonly nowMs: number;
};

const signText = createTextSigner();
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** What cannot be parsed is signed as it is. */
const readTarget = (text: string): RequestTarget => {
  const parsed = parseRequestTarget(text);
  return parsed.ok ? parsed.target : { path: text, decodedPath: text, parameters: new Map() };
};

/** Signs a draft and writes it as a client would: request line, headers, body. */
const writeDraft = (draft: Draft): Buffer => {
  const { service, method, path, query, body, keys, payloadHash } = draft;
  const url = query === '' ? path : `${path}?${query}`;
  const own = new Map<string, string>([
    ['host', HOST],
    ['x-amz-content-sha256', payloadHash],
    ...draft.headers,
    ...(body.length > 0 || method !== 'GET' ? [['content-length', `${body.length}`] as const] : []),
  ]);
  const signed =
    keys === undefined
      ? own
      : signRequest(
          { method, target: readTarget(url), headers: own },
          { keys, region: REGION, service, payloadHash, nowMs: draft.nowMs },
          signText,
        ).headers;
  const lines = [...signed].map(([name, value]) => `${name}: ${value}`);
  const head = [`${method} ${url} HTTP/1.1`, ...lines, '', ''].join('\r\n');
  return Buffer.concat([Buffer.from(head, 'latin1'), body]);
};

const oftenFrom = (usual: readonly string[], tricks: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...usual) },
    { weight: 2, arbitrary: fc.constantFrom(...tricks) },
  );

const SEGMENTS = [
  ...['acme-data', 'reports', 'public', 'secret', 'a', 'open', 'team-a', 'team-a:acme-data', ''],
  ...['.', '..', '%2e%2e', '%2E', '%2f', '%2F..', '%252e', '%252F', '%00', '%0d%0a', '+', '%2B'],
  ...['*', '%3F', '%2A', 'ACME-DATA', '%C3%A9', 'e%CC%81', '%FF', '\u00e9', '~', '%7E', ';', '|'],
  ...['arn:aws:s3:eu-central-1:111122223333:accesspoint', 'minio', 'a'.repeat(1_100)],
];
const anyPath = fc
  .array(fc.constantFrom(...SEGMENTS), { minLength: 1, maxLength: 6 })
  .map((segments) => `/${segments.join('/')}`);
const s3Path = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.constantFrom(
      ...['/acme-data/reports/a', '/acme-data/reports/', '/acme-data', '/acme-data/'],
      ...[
        '/acme-data/x/public/a',
        '/team-a/open',
        '/acme-data//public/x',
        '/',
        '/acme-data/secret',
      ],
      ...[
        '/team-a:acme-data/open',
        '/acme-data//x/public/../../secret',
        '/acme-data/reports/%2e%2e/x',
      ],
    ),
  },
  { weight: 2, arbitrary: anyPath },
  { weight: 1, arbitrary: anyPath.map((path) => `/acme-data/reports${path}`) },
);

const PARAMETERS = [
  ...[
    'list-type=2',
    'acl',
    'acl=',
    'policy',
    'tagging',
    'uploads',
    'delete',
    'delete=',
    'versionId=1',
  ],
  ...[
    'versionId',
    'versionid=1',
    'partNumber=1',
    'uploadId=x',
    'uploadId=x.y',
    'select',
    'x-id=GetObject',
  ],
  ...[
    'select-type=2',
    '%61cl',
    'ac%6C',
    'prefix=reports%2F',
    'prefix=a+b',
    'prefix=a%2Bb',
    'a=b=c',
    '=',
  ],
  ...[
    'Action=DeleteQueue',
    'Version=2012-11-05',
    'X-Amz-Signature=0',
    'restore',
    'attributes',
    '%00=1',
  ],
];
const query = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('', 'x-id=GetObject', 'list-type=2') },
  {
    weight: 2,
    arbitrary: fc
      .array(fc.constantFrom(...PARAMETERS), { maxLength: 3 })
      .map((parts) => parts.join('&')),
  },
);

const HEADERS: readonly (readonly [string, string])[] = [
  ['x-amz-copy-source', '/acme-data/reports/b'],
  ['x-amz-copy-source', 'acme-data/secret/b'],
  ['x-amz-copy-source', 'acme-data/reports/a+b'],
  ['x-amz-copy-source', 'acme-data/x+y/public/a'],
  ['x-amz-copy-source', 'acme-data//public/a'],
  ['x-amz-copy-source', 'acme-data/reports/../secret/b?versionId=1'],
  ['x-amz-copy-source', 'acme-data%2Fsecret%2Fb'],
  ['x-amz-copy-source', 'team-a:acme-data/open'],
  ['x-amz-acl', 'public-read'],
  ['x-amz-grant-read', 'uri=x'],
  ['x-amz-tagging', 'a=b'],
  ['x-amz-tagging-directive', 'REPLACE'],
  ['x-amz-object-lock-mode', 'GOVERNANCE'],
  ['x-amz-website-redirect-location', '/x'],
  ['x-amz-meta-snowball-auto-extract', 'true'],
  ['x-amz-meta-note', 'a  b\tc'],
  ['x-amz-bypass-governance-retention', 'true'],
  ['x-http-method-override', 'DELETE'],
  ['x-method-override', 'DELETE'],
  ['x-minio-extract', 'true'],
  ['x-amz-target', 'DynamoDB_20120810.DeleteTable'],
  ['smithy-protocol', 'rpc-v2-cbor'],
  ['content-type', 'application/x-www-form-urlencoded'],
  ['content-type', 'application/json'],
  ['content-encoding', 'aws-chunked'],
  ['content-encoding', 'gzip,aws-chunked'],
  ['x-amz-decoded-content-length', '5'],
  ['x-amz-trailer', 'x-amz-checksum-crc32'],
  ['connection', 'x-amz-copy-source'],
  ['connection', 'close'],
  ['expect', '100-continue'],
  ['upgrade', 'h2c'],
  ['te', 'trailers'],
  ['range', 'bytes=0-1'],
  ['user-agent', 'aws-sdk-js/3 api/s3control#3'],
];
const headers = fc.array(fc.constantFrom(...HEADERS), { maxLength: 3 });

const CHUNKED_BODIES = [
  '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n',
  '5;ext=1\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n',
  '5\nhello\n0\nx-amz-checksum-crc32:NhCmhg==\n\n',
  '6\r\nhello!\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\n',
  '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n',
  '5\r\nhello\r\n0\r\nx-amz-checksum-crc32:NhCmhg==\r\n\r\nGET / HTTP/1.1\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\n',
  '-5\r\nhello\r\n0\r\n\r\n',
];
const deleteBody = (content: string, declaration = ''): string =>
  `${declaration}<Delete>${content}</Delete>`;
const XML_BODIES = [
  deleteBody('<Object><Key>reports/a</Key></Object>'),
  deleteBody('<Object><Key>reports/a</Key></Object><Object><Key>secret</Key></Object>'),
  deleteBody('<Object><Key>reports/a</Key><Key>secret</Key></Object>'),
  deleteBody('<Object><Key>reports/a<!-- --></Key></Object>'),
  deleteBody('<Object><Key><![CDATA[secret]]></Key></Object>'),
  deleteBody('<Object><Key>&#115;ecret</Key></Object>'),
  deleteBody('<Object><Key>reports/\ra</Key></Object>'),
  deleteBody('<Object><Key>reports/a</Key></Object>', '<?xml version="1.0" encoding="UTF-7"?>'),
  deleteBody('<Object><Key>&x;</Key></Object>', '<!DOCTYPE Delete [<!ENTITY x "secret">]>'),
];
const s3Body = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('', 'hello') },
  { weight: 2, arbitrary: fc.constantFrom(...XML_BODIES) },
  { weight: 2, arbitrary: fc.constantFrom(...CHUNKED_BODIES) },
);

const keys = fc.oneof(
  { weight: 20, arbitrary: fc.constant<AwsKeys | undefined>(LOCAL_KEYS.agent) },
  { weight: 1, arbitrary: fc.constant(LOCAL_KEYS.other) },
  { weight: 1, arbitrary: fc.constant({ ...LOCAL_KEYS.agent, secretAccessKey: 'guessed' }) },
  { weight: 1, arbitrary: fc.constant(undefined) },
);
const nowMs = fc.oneof(
  { weight: 20, arbitrary: fc.constant(NOW_MS) },
  { weight: 1, arbitrary: fc.constantFrom(NOW_MS - 86_400_000, NOW_MS + 301_000) },
);

const HASHES = [
  ...[
    'UNSIGNED-PAYLOAD',
    'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
    'STREAMING-AWS4-HMAC-SHA256-PAYLOAD',
  ],
  ...['STREAMING-AWS4-HMAC-SHA256-EVENTS', sha256(Buffer.from('another')), 'x'],
];
const hash = fc.option(fc.constantFrom(...HASHES), { freq: 2 });

const s3Draft: fc.Arbitrary<Draft> = fc
  .record({
    service: oftenFrom(['s3'], ['s3-object-lambda', 's3express', 's3control', 'sts', 'dynamodb']),
    method: oftenFrom(
      ['GET', 'PUT'],
      ['DELETE', 'POST', 'HEAD', 'OPTIONS', 'PATCH', 'TRACE', 'get'],
    ),
    path: s3Path,
    query,
    headers,
    body: s3Body.map((text) => Buffer.from(text)),
    hash,
    keys,
    nowMs,
  })
  .map(({ hash: given, ...draft }) => {
    const isChunked = CHUNKED_BODIES.includes(draft.body.toString());
    const chosen = given ?? (isChunked ? 'STREAMING-UNSIGNED-PAYLOAD-TRAILER' : undefined);
    const framing: (readonly [string, string])[] =
      chosen?.startsWith('STREAMING-') === true
        ? [
            ['x-amz-decoded-content-length', '5'],
            ['x-amz-trailer', 'x-amz-checksum-crc32'],
          ]
        : [];
    return {
      ...draft,
      headers: [...framing, ...draft.headers],
      payloadHash: chosen ?? sha256(draft.body),
    };
  });

const RPC = [
  {
    service: 'dynamodb',
    headers: [
      ['x-amz-target', 'DynamoDB_20120810.GetItem'],
      ['content-type', 'application/x-amz-json-1.0'],
    ],
    bodies: [
      '{"TableName":"orders","Key":{}}',
      '{"TableName":"orders","TableName":"secret"}',
      '{"TableName":"orders","tablename":"secret"}',
      '{"Table\\u004eame":"secret","TableName":"orders"}',
      '{"TableName":"arn:aws:dynamodb:eu-central-1:111122223333:table/secret"}',
      '{"TableName":"*"}',
      '\ufeff{"TableName":"orders"}',
      '[]',
    ],
  },
  {
    service: 'sqs',
    headers: [['content-type', 'application/x-www-form-urlencoded; charset=utf-8']],
    bodies: [
      `Action=SendMessage&Version=2012-11-05&QueueUrl=https%3A%2F%2Fsqs%2F111122223333%2Forders`,
      `Action=SendMessage&Version=2012-11-05&QueueUrl=http://x/111122223333/orders&QueueUrl=secret`,
      `Action=SendMessage&Action=DeleteQueue&Version=2012-11-05&QueueUrl=http://x/111122223333/orders`,
      `Action=DeleteQueue&Version=2012-11-05&QueueUrl=http://x/111122223333/orders`,
    ],
  },
  {
    service: 'monitoring',
    headers: [
      ['smithy-protocol', 'rpc-v2-cbor'],
      ['content-type', 'application/cbor'],
    ],
    bodies: [
      '\xa1\x69Namespace\x61a',
      '\xa2\x61a\x61b\x61a\x61c',
      '\xbf\xff',
      '\x5b\xff\xff\xff\xff',
    ],
  },
] as const;

const rpcDraft: fc.Arbitrary<Draft> = fc.constantFrom(...RPC).chain((rpc) =>
  fc
    .record({
      service: fc.constant<string>(rpc.service),
      method: oftenFrom(['POST'], ['GET', 'PUT']),
      path: oftenFrom(
        [
          rpc.service === 'monitoring'
            ? '/service/GraniteServiceVersion20100801/operation/PutMetricData'
            : '/',
        ],
        ['/', '//', '/x', '/service/GraniteServiceVersion20100801/operation/DeleteAlarms'],
      ),
      query: fc.oneof({ weight: 5, arbitrary: fc.constant('') }, { weight: 1, arbitrary: query }),
      headers: fc.tuple(fc.constant(rpc.headers), headers).map(([own, more]) => [...own, ...more]),
      body: fc
        .constantFrom<string>(...rpc.bodies)
        .map((text) => Buffer.from(text, rpc.service === 'monitoring' ? 'latin1' : 'utf8')),
      keys,
      nowMs,
    })
    .map((draft) => ({ ...draft, payloadHash: sha256(draft.body) })),
);

/** Changes to the bytes after they were signed. */
const WIRE: readonly ((text: string) => string)[] = [
  (text) => text.replace('content-length:', 'Content-LENGTH:'),
  (text) => text.replace('\r\n\r\n', '\r\ntransfer-encoding: chunked\r\n\r\n'),
  (text) => text.replace(/content-length: \d+/, 'transfer-encoding: chunked'),
  (text) => text.replace(/content-length: \d+/, 'transfer-encoding: identity, chunked'),
  (text) => text.replace(/content-length: (\d+)/, 'content-length: $1\r\ncontent-length: 0'),
  (text) => text.replace(/content-length: (\d+)/, 'content-length: +$1'),
  (text) => text.replace(/content-length: \d+/, 'content-length: 3'),
  (text) => text.replace(/content-length: \d+/, 'content-length: 300'),
  (text) => text.replace(/content-length: (\d+)/, 'content-length : $1'),
  (text) => text.replace('\r\n\r\n', '\r\nx-amz-acl: public-read\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nHost: other\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nx-a: b\r\n folded: c\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nx-a: b\nx-amz-acl: public-read\r\n\r\n'),
  (text) => text.replace('\r\n', '\n'),
  (text) => text.replaceAll('\r\n', '\n'),
  (text) => text.replace('\r\n', '\r'),
  (text) => text.replace('HTTP/1.1', 'HTTP/1.0'),
  (text) => text.replace('HTTP/1.1', 'HTTP/2.0'),
  (text) => text.replace(/^(\w+) /, `$1 http://${HOST}`),
  (text) => text.replace(/^(\w+) \//, '$1 //other/'),
  (text) => text.replace(/^(\w+ [^ ]*)/, '$1#fragment'),
  (text) => text.replace(/^\w+/, 'DELETE'),
  (text) => text.replace('reports', 'secret'),
  (text) => text.replace('x-amz-date', 'X-AMZ-DATE'),
  (text) => `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${text}`,
  (text) => `\r\n\r\n${text}`,
  (text) =>
    text.replace('\r\n\r\n', '\r\nconnection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nexpect: 100-continue\r\n\r\n'),
  (text) => text.replace('\r\n\r\n', '\r\nexpect: 200-ok\r\n\r\n'),
];

const encodeChunked = (text: string, ending: string): string => {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const body = rest.join('\r\n\r\n');
  const chunk =
    body === '' ? '' : `${Buffer.byteLength(body, 'latin1').toString(16)}\r\n${body}\r\n`;
  const framed = head.replace(/\r\ncontent-length: \d+/, '\r\ntransfer-encoding: chunked');
  return `${framed}\r\n\r\n${chunk}${ending}`;
};

const CHUNK_WIRE: readonly ((text: string) => string)[] = [
  (text) => encodeChunked(text, '0\r\n\r\n'),
  (text) => encodeChunked(text, '0\r\nx-amz-acl: public-read\r\n\r\n'),
  (text) => encodeChunked(text, '0;a=b\r\n\r\n'),
  (text) => encodeChunked(text, '0\n\n'),
  (text) => encodeChunked(text, '00000000000000000000\r\n\r\n'),
];

const message = fc
  .tuple(
    fc.oneof({ weight: 3, arbitrary: s3Draft }, { weight: 1, arbitrary: rpcDraft }).map(writeDraft),
    fc.oneof(
      { weight: 3, arbitrary: fc.constant(undefined) },
      { weight: 2, arbitrary: fc.constantFrom(...WIRE) },
      { weight: 1, arbitrary: fc.constantFrom(...CHUNK_WIRE) },
    ),
  )
  .map(([bytes, change]) =>
    change === undefined ? bytes : Buffer.from(change(bytes.toString('latin1')), 'latin1'),
  );

const breakBytes = {
  flips: fc.oneof(
    { weight: 6, arbitrary: fc.constant([]) },
    {
      weight: 1,
      arbitrary: fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { maxLength: 3 }),
    },
  ),
  cut: fc.option(fc.nat(), { freq: 3 }),
};

type Breaks = {
  readonly flips: readonly (readonly [number, number])[];
  readonly cut: number | null;
};

const breakIntoPieces = (bytes: Buffer, { flips, cut }: Breaks): readonly Buffer[] => {
  for (const [at, value] of flips) if (bytes.length > 0) bytes[at % bytes.length] = value;
  const at = cut === null ? bytes.length : cut % (bytes.length + 1);
  return [bytes.subarray(0, at), bytes.subarray(at)].filter(({ length }) => length > 0);
};

/** The bytes of one connection: requests one after the other, some broken, in pieces. */
export const anyConnection: fc.Arbitrary<readonly Buffer[]> = fc
  .record({
    messages: fc.array(
      fc.oneof(
        { weight: 12, arbitrary: message },
        {
          weight: 1,
          arbitrary: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
        },
      ),
      { minLength: 1, maxLength: 3 },
    ),
    ...breakBytes,
  })
  .map(({ messages, ...breaks }) => breakIntoPieces(Buffer.concat(messages), breaks));

/** The same requests as one connection of HTTP/2, on which they are open at once. */
export const anyHttp2Connection: fc.Arbitrary<readonly Buffer[]> = fc
  .record({ messages: fc.array(message, { minLength: 1, maxLength: 3 }), ...breakBytes })
  .map(({ messages, ...breaks }) => breakIntoPieces(encodeConnection(messages), breaks));
