import { lookup as systemLookup, type LookupAddress } from 'node:dns';
import { request as requestHttp } from 'node:http';
import { isIP, type LookupFunction, type Socket } from 'node:net';
import buildConnector from 'undici/lib/core/connect.js';
import type { CallRefusalCode } from '../../calls/call-refusals.ts';

/** There is no response of a cloud; holds a code of a refusal and a message without a secret. */
export class UpstreamError extends Error {
  override readonly name = 'UpstreamError';
  readonly code: CallRefusalCode;
  /** The code of a system or TLS error, where one is the cause. */
  readonly reason: string | undefined;
  constructor(code: CallRefusalCode, message: string, reason?: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }
}

export type ConnectorOptions = {
  /** PEM certificates trusted instead of the system's. */
  readonly caBundle?: string;
  /** `http://host:port` of a proxy for `https:` origins, which resolves their names. */
  readonly httpsProxy?: string;
  /** Connections to all origins. */
  readonly maxConnections: number;
};

export type ConnectorDeps = { readonly isAllowedAddress: (address: string) => boolean };

type Connect = (...parameters: Parameters<ReturnType<typeof buildConnector>>) => void;

export const CONNECT_TIMEOUT_MS = 10_000;
const DNS_TTL_MS = 30_000;

const refuseAddress = (hostname: string): UpstreamError =>
  new UpstreamError(
    'upstream_untrusted',
    `expected an address of a cloud for ${hostname}, found one of this pod, of its node or of no host`,
  );

const resolveAll = (hostname: string): Promise<readonly LookupAddress[]> =>
  new Promise((resolve, reject) => {
    systemLookup(hostname, { all: true }, (error, addresses) => {
      if (error === null) resolve(addresses);
      else reject(error);
    });
  });

/**
 * Resolves names for connections, so that the address that is checked is the one that is connected to.
 * One address that is not allowed refuses the name. Results are kept for 30 s.
 */
export const createCheckedLookup = (
  { isAllowedAddress }: ConnectorDeps,
  { resolve = resolveAll, now = Date.now } = {},
): LookupFunction => {
  const known = new Map<string, { addresses: Promise<readonly LookupAddress[]>; until: number }>();

  const resolveChecked = async (hostname: string): Promise<readonly LookupAddress[]> => {
    const addresses = await resolve(hostname);
    if (addresses.length > 0 && addresses.every(({ address }) => isAllowedAddress(address))) {
      return addresses;
    }
    throw refuseAddress(hostname);
  };

  const find = (hostname: string): Promise<readonly LookupAddress[]> => {
    const found = known.get(hostname);
    if (found !== undefined && now() < found.until) return found.addresses;
    const addresses = resolveChecked(hostname);
    known.set(hostname, { addresses, until: now() + DNS_TTL_MS });
    addresses.catch(() => known.delete(hostname));
    return addresses;
  };

  return (hostname, { all, family }, callback) => {
    find(hostname).then(
      (addresses) => {
        const [first] = addresses.filter((each) => !family || each.family === family);
        if (all === true) callback(null, [...addresses]);
        else callback(null, first?.address ?? '', first?.family);
      },
      (error: unknown) => callback(error as NodeJS.ErrnoException, '', 0),
    );
  };
};

/** Asks a proxy for a connection to a host (RFC 9110, section 9.3.6). */
const requestTunnel = (proxy: URL, authority: string): Promise<Socket> =>
  new Promise((resolve, reject) => {
    const request = requestHttp({
      host: proxy.hostname,
      port: proxy.port || 80,
      method: 'CONNECT',
      path: authority,
      headers: { host: authority },
      agent: false,
    });
    const timer = setTimeout(() => request.destroy(), CONNECT_TIMEOUT_MS).unref();
    const fail = (): void => {
      clearTimeout(timer);
      reject(
        new UpstreamError('upstream_unreachable', `no tunnel to ${authority} through httpsProxy`),
      );
    };
    request.once('connect', ({ statusCode }, socket: Socket) => {
      clearTimeout(timer);
      if (statusCode === 200) resolve(socket);
      else {
        socket.destroy();
        fail();
      }
    });
    // A proxy that does not know CONNECT.
    request.once('response', () => request.destroy());
    request.on('error', fail).once('close', fail);
    request.end();
  });

/** Creates the function that opens the connections of all pools, and counts them. */
export const createUpstreamConnector = (
  { caBundle, httpsProxy, maxConnections }: ConnectorOptions,
  deps: ConnectorDeps,
): { readonly connect: Connect; readonly countOpen: () => number } => {
  const proxy = httpsProxy === undefined ? undefined : new URL(httpsProxy);
  const connectDirect = buildConnector({
    timeout: CONNECT_TIMEOUT_MS,
    allowH2: false,
    minVersion: 'TLSv1.2',
    lookup: createCheckedLookup(deps),
    ...(caBundle === undefined ? {} : { ca: caBundle }),
  });
  let open = 0;
  const countClosed = (): void => void (open -= 1);

  const connectCounted: Connect = (options, callback) => {
    open += 1;
    connectDirect(options, callback).once('close', countClosed);
  };

  const connectByProxy = (via: URL, ...[options, callback]: Parameters<Connect>): void => {
    const authority = `${options.hostname}:${options.port || '443'}`;
    requestTunnel(via, authority).then(
      (httpSocket) => connectCounted({ ...options, httpSocket }, callback),
      (error: unknown) => callback(error as Error, null),
    );
  };

  return {
    connect: (options, callback) => {
      const address = options.hostname.replace(/^\[|\]$/g, '');
      if (open >= maxConnections) {
        callback(new UpstreamError('overloaded', 'too many connections to clouds'), null);
      } else if (proxy !== undefined && options.protocol === 'https:') {
        connectByProxy(proxy, options, callback);
      } else if (isIP(address) !== 0 && !deps.isAllowedAddress(address)) {
        callback(refuseAddress(address), null);
      } else connectCounted(options, callback);
    },
    countOpen: () => open,
  };
};
