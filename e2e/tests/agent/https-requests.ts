import { Agent, request } from 'node:https';
import { text } from 'node:stream/consumers';

/** One request as it goes on the wire. */
export type HttpsRequest = {
  method: string;
  path: string;
  headers?: Record<string, string>;
  body?: string;
};

export type HttpsBatch = {
  /** `https://host[:port]`. */
  endpoint: string;
  /** PEM, and the name that the certificate must bear. */
  ca: string;
  servername: string;
  wishes: HttpsRequest[];
  /** How many are under way at once, each on a connection of its own; one unless given. */
  lanes?: number;
};

export type HttpsResponse = {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
  milliseconds: number;
};

/** Sends every wish and answers the replies, in the order of the wishes; throws when one has none. */
export const sendBatch = async ({
  wishes,
  lanes = 1,
  ...where
}: HttpsBatch): Promise<HttpsResponse[]> => {
  const replies: HttpsResponse[] = [];
  const waiting = wishes.entries();
  const lane = async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    for (const [index, wish] of waiting)
      replies[index] = await sendRequest({ ...where, agent }, wish);
    agent.destroy();
  };
  await Promise.all(Array.from({ length: lanes }, lane));
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
