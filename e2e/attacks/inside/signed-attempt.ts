import { createHash, createHmac } from 'node:crypto';

/** Keys as the sidecar gives them to a consumer. */
export type LocalKeys = { accessKeyId: string; secretAccessKey: string; sessionToken: string };

/** What differs from a GET of the readable object. */
export type SignedAttempt = {
  method?: string;
  path?: string;
  query?: string;
  keys?: LocalKeys;
  ageMs?: number;
  unsignedHeaders?: string[];
};

export const GATEWAY_HOST = '127.0.0.1:9473';

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();

/** Creates a signer of its own: its requests may be malformed, which those of an SDK cannot be. */
export const createRequestSigner =
  (own: LocalKeys) =>
  (attempt: SignedAttempt): string => {
    const { method = 'GET', path = '/acme-data/reports/q3.csv', query = '' } = attempt;
    const { keys = own, ageMs = 0, unsignedHeaders = [] } = attempt;
    const time = new Date(Date.now() - ageMs).toISOString().replaceAll(/[-:]|\.\d+/g, '');
    const payload = 'UNSIGNED-PAYLOAD';
    const headers = {
      host: GATEWAY_HOST,
      'x-amz-content-sha256': payload,
      'x-amz-date': time,
      'x-amz-security-token': keys.sessionToken,
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}`);
    const names = Object.keys(headers).join(';');
    const canonical = [method, path, query, ...lines, '', names, payload].join('\n');
    const region = process.env['AWS_REGION'] ?? '';
    const scope = [time.slice(0, 8), region, 's3', 'aws4_request'];
    const key = scope.reduce<string | Buffer>(hmac, `AWS4${keys.secretAccessKey}`);
    const text = ['AWS4-HMAC-SHA256', time, scope.join('/'), hash(canonical)].join('\n');
    const signature = hmac(key, text).toString('hex');
    const credential = `${keys.accessKeyId}/${scope.join('/')}`;
    const target = query === '' ? path : `${path}?${query}`;
    return [
      `${method} ${target} HTTP/1.1`,
      ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
      `Authorization: AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names}, Signature=${signature}`,
      ...unsignedHeaders,
      '',
      '',
    ].join('\r\n');
  };
