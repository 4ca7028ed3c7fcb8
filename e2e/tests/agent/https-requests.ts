import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';

/** One HTTPS request. */
export type HttpsRequest = {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string;
};

export type HttpsBatch = {
  /** `https://host[:port]`. */
  endpoint: string;
  /** PEM of the trusted CA, and the expected name in the server certificate. */
  ca: string;
  servername: string;
  requests: HttpsRequest[];
  /** Requests in flight, each on its own connection; default 1. */
  concurrency?: number;
};

export type HttpsResponse = {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
  milliseconds: number;
};

/** Sends every request; returns the responses in the same order. @throws Error if a request gets no response */
export const sendBatch = async ({
  requests,
  concurrency = 1,
  ...where
}: HttpsBatch): Promise<HttpsResponse[]> => {
  const replies: HttpsResponse[] = [];
  const waiting = requests.entries();
  const lane = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const [index, each] of waiting)
      replies[index] = await sendRequest({ ...where, agent }, each);
    agent.destroy();
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  return replies;
};

const sendRequest = (
  { endpoint, ...tls }: Pick<HttpsBatch, 'endpoint' | 'ca' | 'servername'> & { agent: Agent },
  { method, path, headers = {}, body = '' }: HttpsRequest,
): Promise<HttpsResponse> => {
  const { promise, resolve, reject } = Promise.withResolvers<HttpsResponse>();
  const startedAt = performance.now();
  const options = {
    ...tls,
    method,
    path,
    headers: { 'content-length': Buffer.byteLength(body), ...headers },
  };
  const sent = request(endpoint, options, (response) => {
    text(response).then((answered) => {
      const milliseconds = performance.now() - startedAt;
      const { statusCode = 0, headers: given } = response;
      resolve({ status: statusCode, headers: given, body: answered, milliseconds });
    }, reject);
  });
  sent.on('error', reject);
  sent.end(body);
  return promise;
};
