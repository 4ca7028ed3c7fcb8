import { Agent, request } from 'node:https';
import type { RequestOptions } from 'node:https';
import { text } from 'node:stream/consumers';
import { urlToHttpOptions } from 'node:url';
import { KubeConfig } from '@kubernetes/client-node';

/** A body is made before it is timed. */
export type ApiCall = { method: 'GET' | 'POST' | 'DELETE'; path: string; body?: Buffer };

/** `milliseconds` from the call to the last byte of its answer. */
export type ApiAnswer = { status: number; body: string; milliseconds: number };

export type ApiConnections = {
  /** Throws only when there is no answer. */
  call: (call: ApiCall) => Promise<ApiAnswer>;
  close: () => void;
};

/**
 * Opens so many connections to the API server, and keeps them: client libraries open one for each
 * call, and would measure themselves.
 */
export const createApiConnections = async (
  kubeconfig: string,
  count: number,
): Promise<ApiConnections> => {
  const config = new KubeConfig();
  config.loadFromFile(kubeconfig);
  const trust: RequestOptions = {};
  await config.applyToHTTPSOptions(trust);
  // The library's own agent keeps no connection.
  delete trust.agent;
  const server = urlToHttpOptions(new URL(config.getCurrentCluster()?.server ?? ''));
  const agent = new Agent({ keepAlive: true, maxSockets: count });
  const call = (wish: ApiCall) => sendRequest({ ...server, ...trust, agent }, wish);
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
