import type { UpstreamRules } from '../../contract/upstream.ts';
import { isCloudAddress, isPublicAddress } from './address-check.ts';
import {
  createUpstreamClient,
  type SendUpstream,
  type UpstreamClient,
  type UpstreamOptions,
  type UpstreamRequest,
} from './upstream-client.ts';

/** How an Upstream is reached. */
type Reach = Pick<UpstreamRules, 'caBundle' | 'privateAddresses'>;

export type HttpUpstreams = {
  readonly send: (upstream: Reach, request: UpstreamRequest) => ReturnType<SendUpstream>;
  readonly countConnections: () => number;
  readonly close: () => Promise<void>;
};

/** Creates the clients of Upstreams. Those with the same roots and addresses share one. */
export const createHttpUpstreams = (
  { httpsProxy, noProxy }: Pick<UpstreamOptions, 'httpsProxy' | 'noProxy'>,
  isAllowedAddress?: (address: string) => boolean,
): HttpUpstreams => {
  const clients = new Map<string, UpstreamClient>();

  const getClient = ({ caBundle, privateAddresses }: Reach): UpstreamClient => {
    const key = `${String(privateAddresses)} ${caBundle ?? ''}`;
    const found = clients.get(key);
    if (found !== undefined) return found;
    const client = createUpstreamClient(
      {
        ...(caBundle !== undefined && { caBundle }),
        ...(httpsProxy !== undefined && { httpsProxy }),
        ...(noProxy !== undefined && { noProxy }),
      },
      {
        isAllowedAddress: isAllowedAddress ?? (privateAddresses ? isCloudAddress : isPublicAddress),
      },
    );
    clients.set(key, client);
    return client;
  };

  return {
    send: (upstream, request) => getClient(upstream).send(request),
    countConnections: () =>
      [...clients.values()].reduce((sum, client) => sum + client.countConnections(), 0),
    close: async () => {
      await Promise.all([...clients.values()].map((client) => client.close()));
    },
  };
};
