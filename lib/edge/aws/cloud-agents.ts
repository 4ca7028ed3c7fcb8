import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

import type { CloudSettings } from '../../contract/platform.ts';

/**
 * The connections to cloud endpoints, and to nothing else: the CA bundle takes the place of the
 * public authorities here alone, and the proxy (CONNECT for https) is used here alone. A sidecar's
 * exchanges are rare, so it keeps no connection; the authority's are not.
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
