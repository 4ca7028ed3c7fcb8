import { describe, expect, test } from '@jest/globals';
import { authorityPlatform, platform } from '../injection/fixtures/sample-platform.ts';
import { buildAdmissionPolicies } from './admission-policies.ts';
import { toAdmissionPolicySettings } from './policy-settings.ts';

const listPolicyNames = (settings: typeof platform) =>
  buildAdmissionPolicies(toAdmissionPolicySettings(settings)).map(({ name }) => name);

const formatPolicies = (settings: typeof platform) =>
  JSON.stringify(buildAdmissionPolicies(toAdmissionPolicySettings(settings)));

describe('the policies that the API server holds', () => {
  test('are fewer where nothing trusts the authority', () => {
    expect(listPolicyNames(authorityPlatform)).toEqual([
      'valetkey-exec',
      'valetkey-pods',
      'valetkey-pod-changes',
      'valetkey-bindings',
      'valetkey-tokens',
      'valetkey-revocations',
    ]);
    expect(listPolicyNames(platform)).toEqual(listPolicyNames(authorityPlatform).slice(0, 4));
  });

  test('refuse what they cannot judge, and say why they refuse', () => {
    for (const { spec } of buildAdmissionPolicies(toAdmissionPolicySettings(authorityPlatform))) {
      expect(spec.failurePolicy).toBe('Fail');
      expect(spec.validations.length).toBeGreaterThan(0);
      for (const { messageExpression, reason } of spec.validations) {
        expect(messageExpression).not.toBe('');
        expect(reason).toBe('Forbidden');
      }
    }
  });

  test('name what the platform says', () => {
    const text = formatPolicies({
      ...authorityPlatform,
      cloud: { ...authorityPlatform.cloud, stsEndpoint: 'https://sts.rgw.example:7480/' },
      pods: {
        ...authorityPlatform.pods,
        baselineNamespaces: ['legacy'],
        ruleExemptions: [{ namespace: 'older', rule: '3' }],
        breakGlassGroup: 'on-call',
        protectedAudiences: ['Vault.example'],
      },
    });
    const words = ['["legacy"]', '["older/3"]', '"on-call"', '["vault.example"]'];
    words.push('["sts.rgw.example","valetkey-authority.valetkey.svc"]', '"authority.valetkey.dev"');
    for (const word of words) expect(text).toContain(JSON.stringify(word).slice(1, -1));
  });

  test('hold the resolution of names only where nothing else vouches for STS', () => {
    const stsEndpoint = 'http://rgw.example:7480';
    const isPlain = (settings: typeof platform) =>
      toAdmissionPolicySettings({ ...settings, cloud: { ...settings.cloud, stsEndpoint } })
        .isPlainHttp;
    expect(isPlain(platform)).toBe('true');
    expect(isPlain(authorityPlatform)).toBe('false');
  });
});
