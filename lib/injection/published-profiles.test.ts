import { describe, expect, test } from '@jest/globals';
import { platform } from './fixtures/platform.ts';
import { environmentJson, hashOf, profileOf } from './profile.ts';
import { readProfiles } from './published-profiles.ts';

const { hash, text, profile } = profileOf(platform);

describe('a profile', () => {
  test('is the same for the same settings, and another for others', () => {
    expect(profileOf(structuredClone(platform)).hash).toBe(hash);
    const cloud = { ...platform.cloud, region: 'us-east-1' };
    expect(profileOf({ ...platform, cloud }).hash).not.toBe(hash);
  });

  test('does not depend on what no injected field shows', () => {
    const tasks = { ...platform.tasks, lifetimeCeilingSeconds: 60 };
    expect(profileOf({ ...platform, tasks }).hash).toBe(hash);
  });

  test('comes back from what was published', () => {
    const { profiles, faults } = readProfiles({ [hash]: text });
    expect(profiles.get(hash)).toEqual(JSON.parse(JSON.stringify(profile)));
    expect(faults).toEqual([]);
  });

  test.each([
    ['text that is not what the key says', { [hash]: text.replace('Always', 'Never') }],
    ['text that is no JSON', { [hashOf('{')]: '{' }],
    ['a profile without a sidecar', { [hashOf('{"label":{}}')]: '{"label":{}}' }],
    ['a profile that is null', { [hashOf('null')]: 'null' }],
  ])('is accepted by nobody as %s', (_, data) => {
    const { profiles, faults } = readProfiles({ ...data, [profileOf(platform).hash + '0']: 'x' });
    expect(profiles.size).toBe(0);
    expect(faults).toHaveLength(2);
  });
});

describe('JSON in an environment value', () => {
  test('has nothing in it that the kubelet would expand', () => {
    const value = { pattern: '[a-z]+$', purpose: '$(POD_IP) $$' };
    const text = environmentJson(value);
    expect(text).not.toContain('$');
    expect(JSON.parse(text)).toEqual(value);
  });
});
