import type { CloudSettings } from '../../contract/platform.ts';
import { createCloudAgents } from './cloud-agents.ts';

const CONNECT_TIMEOUT_MS = 3_000;

/** A cloud's endpoint and how to reach it. Default endpoint: AWS's own in the region. */
export type EndpointSettings = Pick<CloudSettings, 'region' | 'caBundle' | 'httpsProxy'> & {
  readonly endpoint?: string;
};

/** Settings of every SDK client. The SDK would read an omitted one from the environment or `~/.aws`. */
export const buildSdkSettings = (
  { region, endpoint, caBundle, httpsProxy }: EndpointSettings,
  options: { readonly attemptTimeoutMs: number; readonly keepAlive: boolean },
) => ({
  region,
  ...(endpoint === undefined ? {} : { endpoint }),
  maxAttempts: 1,
  requestHandler: {
    ...createCloudAgents({
      ...(caBundle === undefined ? {} : { caBundle }),
      ...(httpsProxy === undefined ? {} : { httpsProxy }),
      keepAlive: options.keepAlive,
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
