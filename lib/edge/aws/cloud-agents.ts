import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

import type { CloudSettings } from '../../contract/platform.ts';

/**
 * Creates the agents for cloud endpoints. Only these use the CA bundle, which replaces the public CAs,
 * and the proxy (CONNECT for https). The authority pools connections; a sidecar's exchanges are rare.
 */
export const createCloudAgents = ({
  caBundle,
  httpsProxy,
  keepAlive = false,
}: Pick<CloudSettings, 'caBundle' | 'httpsProxy'> & { readonly keepAlive?: boolean }): {
  httpAgent: HttpAgent;
  httpsAgent: HttpsAgent;
} => {
  const proxy =
    httpsProxy === undefined
      ? {}
      : { proxyEnv: { HTTPS_PROXY: httpsProxy, HTTP_PROXY: httpsProxy } };
  const trust = caBundle === undefined ? {} : { ca: caBundle };
  return {
    httpAgent: new HttpAgent({ ...proxy, keepAlive }),
    httpsAgent: new HttpsAgent({ ...proxy, ...trust, keepAlive }),
  };
};
