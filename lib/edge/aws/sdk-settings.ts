import type { CloudSettings } from '../../contract/platform.ts';
import { createCloudAgents } from './cloud-agents.ts';

const CONNECT_TIMEOUT_MS = 3_000;

/** Where a cloud's endpoint is and how it is reached; without an endpoint, AWS's own of the region. */
export type EndpointSettings = Pick<CloudSettings, 'region' | 'caBundle' | 'httpsProxy'> & {
  readonly endpoint?: string;
};

/** Settings of any client of the SDK: each of them, left out, makes it look into the environment and `~/.aws`. */
export const buildSdkSettings = (
  { region, endpoint, caBundle, httpsProxy }: EndpointSettings,
  terms: { readonly attemptTimeoutMs: number; readonly keepAlive: boolean },
) => ({
  region,
  ...(endpoint === undefined ? {} : { endpoint }),
  maxAttempts: 1,
  requestHandler: {
    ...createCloudAgents({
      ...(caBundle === undefined ? {} : { caBundle }),
      ...(httpsProxy === undefined ? {} : { httpsProxy }),
      keepAlive: terms.keepAlive,
    }),
    connectionTimeout: CONNECT_TIMEOUT_MS,
    requestTimeout: terms.attemptTimeoutMs,
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
