import type { Platform } from '../contract/platform.ts';

/** An IPv6 address has no brackets, as in the chart. */
const getHost = (url: string): string => new URL(url).hostname.replaceAll(/[[\]]/g, '');

/**
 * Builds the data of ConfigMap `valetkey-policy-parameters`, from which the admission policies read the settings of
 * the platform. A list has one entry per line.
 */
export const buildPolicyParameters = ({
  trust,
  sidecar,
  cloud,
  pods,
  authority,
}: Platform): Readonly<Record<string, string>> => ({
  trust,
  audience: sidecar.audience,
  protectedAudiences: pods.protectedAudiences.join('\n').toLowerCase(),
  otherClouds: pods.otherClouds,
  allowApiToken: String(pods.allowApiToken),
  hosts: [cloud.stsEndpoint, cloud.httpsProxy, authority?.endpoint]
    .flatMap((url) => (url === undefined ? [] : [getHost(url)]))
    .sort()
    .join('\n'),
  isPlainHttp: String(trust === 'cluster' && cloud.stsEndpoint?.startsWith('http:') === true),
  baselineNamespaces: pods.baselineNamespaces.join('\n'),
  ruleExemptions: pods.ruleExemptions
    .map(({ namespace, rule }) => `${namespace}/${rule}`)
    .join('\n'),
  breakGlassGroup: pods.breakGlassGroup ?? '',
  separateDuties: String(authority?.approvals.separateDuties ?? false),
});
