import { CALL_REFUSALS, type CallRefusal } from './call-refusals.ts';

/** The formats in which AWS services write errors. */
export type ErrorFormat = 's3' | 'query' | 'ec2' | 'json' | 'cbor' | 'json-in-cbor';

/** A response, as the SDK of the caller parses it. */
export type RenderedRefusal = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
};

const escapeXml = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);

const renderXmlError = (awsCode: string, message: string): string =>
  `<Code>${awsCode}</Code><Message>${escapeXml(message)}</Message>`;

const renderXml = (format: 's3' | 'query' | 'ec2', error: string, requestId: string): string => {
  const head = '<?xml version="1.0" encoding="UTF-8"?>\n';
  if (format === 's3') return `${head}<Error>${error}<RequestId>${requestId}</RequestId></Error>`;
  return format === 'query'
    ? `${head}<ErrorResponse><Error><Type>Sender</Type>${error}</Error><RequestId>${requestId}</RequestId></ErrorResponse>`
    : `${head}<Response><Errors><Error>${error}</Error></Errors><RequestID>${requestId}</RequestID></Response>`;
};

/** RFC 8949, major type 3: a text of less than 64 KiB. */
const encodeCborText = (text: string): Buffer => {
  const bytes = Buffer.from(text);
  const head =
    bytes.length < 24
      ? [0x60 + bytes.length]
      : bytes.length < 256
        ? [0x78, bytes.length]
        : [0x79, bytes.length >> 8, bytes.length & 0xff];
  return Buffer.concat([Buffer.from(head), bytes]);
};

/** A map of two texts, `__type` and `message` (Smithy RPC v2 CBOR protocol, "Operation error serialization"). */
const renderCbor = (awsCode: string, message: string): Buffer =>
  Buffer.concat([
    Buffer.from([0xa2]),
    ...['__type', awsCode, 'message', message].map(encodeCborText),
  ]);

/**
 * Renders a refusal in the format of the caller's protocol, so that its SDK raises its own exception.
 *
 * @param requestId an ID of the call in the gateway's log
 * @param isHead whether the response has no body
 */
export const renderRefusal = (
  { code, message }: CallRefusal,
  { format, requestId, isHead }: { format: ErrorFormat; requestId: string; isHead: boolean },
): RenderedRefusal => {
  const row = CALL_REFUSALS[code];
  const text = `valetkey: ${message} (${code})`;
  const headers = {
    'x-valetkey-code': code,
    'x-valetkey-refusal': requestId,
    'x-amzn-requestid': requestId,
    ...('retryAfter' in row ? { 'retry-after': String(row.retryAfter) } : {}),
  };
  const respond = (type: string, extra: Record<string, string>, body: Buffer): RenderedRefusal => ({
    status: row.status,
    headers: { ...headers, ...extra, 'content-type': type },
    body: isHead ? Buffer.alloc(0) : body,
  });
  switch (format) {
    case 'json':
      return respond(
        'application/x-amz-json-1.0',
        { 'x-amzn-errortype': row.awsCode },
        Buffer.from(JSON.stringify({ __type: row.awsCode, message: text })),
      );
    case 'cbor':
      return respond(
        'application/cbor',
        { 'smithy-protocol': 'rpc-v2-cbor' },
        renderCbor(row.awsCode, text),
      );
    case 'json-in-cbor':
      return respond('application/x-amz-cbor-1.1', {}, renderCbor(row.awsCode, text));
    case 's3':
    case 'query':
    case 'ec2': {
      const xml = renderXml(format, renderXmlError(row.awsCode, text), requestId);
      return respond('application/xml', {}, Buffer.from(xml));
    }
  }
};

/** Protocol `rest-xml`, whose errors look as in `query`. */
const REST_XML_SERVICES = new Set(['cloudfront', 'route53']);
/** S3 Control signs as `s3`, and has errors as in `query`. */
const S3_CONTROL_PATH = '/v20180820/';

const FORM = 'application/x-www-form-urlencoded';

/**
 * Chooses the format of errors by what the client sent: all SDKs of a protocol send the same marks. A
 * refused request was not recognized yet, so that its protocol is not known otherwise.
 *
 * @param headers lower-case names, as Node gives them
 * @param url the request target
 */
export const chooseErrorFormat = (
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
  url = '/',
): ErrorFormat => {
  const type = String(headers['content-type'] ?? '');
  if (headers['smithy-protocol'] === 'rpc-v2-cbor') return 'cbor';
  if (type.startsWith('application/x-amz-cbor-')) return 'json-in-cbor';
  const scope = /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(String(headers['authorization']));
  const service = scope?.[1] ?? '';
  if (service === 's3') return url.startsWith(S3_CONTROL_PATH) ? 'query' : 's3';
  // Only SDKs of S3 send calls without a signature: for objects that everyone may read.
  if (headers['authorization'] === undefined) return 's3';
  if (service === 'ec2') return 'ec2';
  const isQuery = type.startsWith(FORM) || /[?&]Action=/.test(url);
  return isQuery || REST_XML_SERVICES.has(service) ? 'query' : 'json';
};
