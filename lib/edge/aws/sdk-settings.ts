import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

import type { CloudSettings } from '../../contract/platform.ts';

const CONNECT_TIMEOUT_MS = 3_000;

/** A cloud's endpoint and how to reach it. Default endpoint: AWS's own in the region. */
export type EndpointSettings = Pick<
  CloudSettings,
  'region' | 'caBundle' | 'httpsProxy' | 'noProxy'
> & {
  readonly endpoint?: string;
};

/** Settings of every SDK client. The SDK would read an omitted one from the environment or `~/.aws`. */
export const buildSdkSettings = (
  { region, endpoint, caBundle, httpsProxy, noProxy }: EndpointSettings,
  options: { readonly attemptTimeoutMs: number },
) => ({
  region,
  ...(endpoint === undefined ? {} : { endpoint }),
  maxAttempts: 1,
  requestHandler: {
    ...createCloudAgents({
      ...(caBundle === undefined ? {} : { caBundle }),
      ...(httpsProxy === undefined ? {} : { httpsProxy }),
      ...(noProxy === undefined ? {} : { noProxy }),
    }),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: options.attemptTimeoutMs,
    throwOnRequestTimeout: true,
  },
  ignoreConfiguredEndpointUrls: true,
  authSchemePreference: [],
  sigv4aSigningRegionSet: [],
  retryMode: 'standard',
  defaultsMode: 'standard' as const,
  useDualstackEndpoint: false,
  useFipsEndpoint: false,
  userAgentAppId: '',
});

/**
 * Creates the agents for cloud endpoints. Only these use the CA bundle, which replaces the public CAs,
 * and the proxy (CONNECT for https). These calls are rare: connections are not pooled.
 */
const createCloudAgents = ({
  caBundle,
  httpsProxy,
  noProxy = [],
}: Pick<CloudSettings, 'caBundle' | 'httpsProxy' | 'noProxy'>): {
  httpAgent: HttpAgent;
  httpsAgent: HttpsAgent;
} => {
  const proxy =
    httpsProxy === undefined
      ? {}
      : {
          proxyEnv: {
            HTTPS_PROXY: httpsProxy,
            HTTP_PROXY: httpsProxy,
            NO_PROXY: noProxy.join(','),
          },
        };
  const trust = caBundle === undefined ? {} : { ca: caBundle };
  return {
    httpAgent: new HttpAgent(proxy),
    httpsAgent: new HttpsAgent({ ...proxy, ...trust }),
  };
};
