import type { Platform } from '../contract/platform.ts';
import { toCelLiteral } from './cel.ts';
import type { AdmissionPolicySettings } from './validating-admission-policy.ts';

/** What of the platform the policies hold; the chart writes the same. */
export const toAdmissionPolicySettings = ({
  trust,
  sidecar,
  cloud,
  pods,
  authority,
}: Platform): AdmissionPolicySettings => ({
  trust,
  audience: toCelLiteral(sidecar.audience),
  protectedAudiences: toCelLiteral(pods.protectedAudiences.map((each) => each.toLowerCase())),
  allowApiToken: String(pods.allowApiToken),
  hosts: toCelLiteral(
    [cloud.stsEndpoint, cloud.httpsProxy, authority?.endpoint]
      .flatMap((url) => (url === undefined ? [] : [new URL(url).hostname]))
      .sort(),
  ),
  isPlainHttp: String(trust === 'cluster' && cloud.stsEndpoint?.startsWith('http:') === true),
  baselineNamespaces: toCelLiteral(pods.baselineNamespaces),
  exemptions: toCelLiteral(
    pods.ruleExemptions.map(({ namespace, rule }) => `${namespace}/${rule}`),
  ),
  breakGlassGroup: toCelLiteral(pods.breakGlassGroup ?? ''),
});
