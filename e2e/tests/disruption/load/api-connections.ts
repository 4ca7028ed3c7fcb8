import { Agent, request } from 'node:https';
import type { RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';
import { urlToHttpOptions } from 'node:url';
import { KubeConfig } from '@kubernetes/client-node';

/** One request; its body is serialized before the time is measured. */
export type ApiCall = { method: 'GET' | 'POST' | 'DELETE'; path: string; body?: Buffer };

/** A response; `milliseconds` from the call to its last byte. */
export type ApiAnswer = { status: number; body: string; milliseconds: number };

export type ApiConnections = {
  /** @throws Error only if there is no response */
  call: (call: ApiCall) => Promise<ApiAnswer>;
  close: () => void;
};

/**
 * Opens `count` connections to the API server and keeps them open. Client libraries open one for each
 * call, which would distort the measurement.
 */
export const createApiConnections = async (
  kubeconfig: string,
  count: number,
): Promise<ApiConnections> => {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const trust: RequestOptions = {};
  await config.applyToHTTPSOptions(trust);
  // The library's agent does not keep connections open.
  delete trust.agent;
  const server = urlToHttpOptions(new URL(config.getCurrentCluster()?.server ?? ''));
  const agent = new Agent({ keepAlive: true, maxSockets: count });
  const call = (each: ApiCall) => sendRequest({ ...server, ...trust, agent }, each);
  const opening = Array.from({ length: count }, () => call({ method: 'GET', path: '/version' }));
  await Promise.all(opening);
  return { call, close: () => agent.destroy() };
};

const sendRequest = (
  options: RequestOptions,
  { method, path, body }: ApiCall,
): Promise<ApiAnswer> => {
  const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
  const startedAt = performance.now();
  const headers = {
    accept: 'application/json',
    ...(body && { 'content-type': 'application/json', 'content-length': body.length }),
  };
  const sent = request({ ...options, method, path, headers }, (response) => {
    text(response).then((answered) => {
      const milliseconds = performance.now() - startedAt;
      resolve({ status: response.statusCode ?? 0, body: answered, milliseconds });
    }, reject);
  });
  sent.on('error', reject);
  sent.end(body);
  return promise;
};
