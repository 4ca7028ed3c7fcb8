import type { Platform } from '../contract/platform.ts';
import { literal } from './cel.ts';
import type { PolicySettings } from './policy.ts';

/** What of the platform the policies hold; the chart writes the same. */
export const policySettings = ({
  trust,
  sidecar,
  cloud,
  pods,
  authority,
}: Platform): PolicySettings => ({
  trust,
  audience: literal(sidecar.audience),
  protectedAudiences: literal(pods.protectedAudiences.map((each) => each.toLowerCase())),
  allowApiToken: String(pods.allowApiToken),
  hosts: literal(
    [cloud.stsEndpoint, cloud.httpsProxy, authority?.endpoint]
      .flatMap((url) => (url === undefined ? [] : [new URL(url).hostname]))
      .sort(),
  ),
  isPlainHttp: String(trust === 'cluster' && cloud.stsEndpoint?.startsWith('http:') === true),
  baselineNamespaces: literal(pods.baselineNamespaces),
  exceptions: literal(pods.exceptions.map(({ namespace, rule }) => `${namespace}/${rule}`)),
  breakGlassGroup: literal(pods.breakGlassGroup ?? ''),
});
