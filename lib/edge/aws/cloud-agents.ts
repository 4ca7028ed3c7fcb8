import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';

import type { CloudSettings } from '../../contract/platform.ts';

/**
 * The connections to cloud endpoints, and to nothing else: the CA bundle takes the place of the
 * public authorities here alone, and the proxy (CONNECT for https) is used here alone. Exchanges are
 * rare, so no connection is kept.
 */
export const openCloudAgents = ({
  caBundle,
  httpsProxy,
}: Pick<CloudSettings, 'caBundle' | 'httpsProxy'>): {
  httpAgent: HttpAgent;
  httpsAgent: HttpsAgent;
} => {
  const proxy =
    httpsProxy === undefined
      ? {}
      : { proxyEnv: { HTTPS_PROXY: httpsProxy, HTTP_PROXY: httpsProxy } };
  const trust = caBundle === undefined ? {} : { ca: caBundle };
  return {
    httpAgent: new HttpAgent(proxy),
    httpsAgent: new HttpsAgent({ ...proxy, ...trust }),
  };
};
