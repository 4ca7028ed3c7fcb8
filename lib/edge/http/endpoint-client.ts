import type { RequestOptions } from 'node:https';
import { isIP } from 'node:net';
import { urlToHttpOptions } from 'node:url';

import {
  ADDRESS_REFUSED,
  ConnectionError,
  sendRequest,
  type EndpointRequest,
  type SendToEndpoint,
} from './https-client.ts';
import { createCheckedLookup, UpstreamError, type ConnectorDeps } from './upstream-connector.ts';

/**
 * Creates the function that sends requests to endpoints. An editor of Upstreams must not make this program
 * call its own pod, its node or a metadata service: the address that is checked is the one that is connected to.
 */
export const createEndpointSender = ({ isAllowedAddress }: ConnectorDeps): SendToEndpoint => {
  const checkedLookup = createCheckedLookup({ isAllowedAddress });
  const lookup: typeof checkedLookup = (hostname, options, callback) =>
    checkedLookup(hostname, options, (error, ...found) =>
      callback(error instanceof UpstreamError ? newRefusal() : error, ...found),
    );
  return async (request) => {
    const options = buildOptions(request);
    const host = options.hostname ?? '';
    if (isIP(host) !== 0 && !isAllowedAddress(host)) throw newRefusal();
    const { body = '', maxBodyBytes } = request;
    return sendRequest({ ...options, lookup }, { body, maxBodyBytes });
  };
};

const newRefusal = () => new ConnectionError(ADDRESS_REFUSED, { wasSent: false });

const buildOptions = ({
  method,
  url,
  headers,
  body = '',
  caBundle,
  timeoutMs,
}: EndpointRequest): RequestOptions => {
  const target = new URL(url);
  if (target.protocol !== 'https:') throw new Error(`expected https:, got ${target.protocol}`);
  return {
    ...urlToHttpOptions(target),
    ...(caBundle !== undefined && { ca: caBundle }),
    minVersion: 'TLSv1.2',
    method,
    agent: false,
    headers: { Accept: 'application/json', 'Content-Length': Buffer.byteLength(body), ...headers },
    signal: AbortSignal.timeout(timeoutMs),
  };
};
