import { describe, expect, test } from '@jest/globals';
import { platform } from './fixtures/sample-platform.ts';
import { toEnvironmentJson, hashTemplate, buildInjectionTemplate } from './injection-template.ts';
import { readTemplates } from './accepted-templates.ts';

const { hash, text, template } = buildInjectionTemplate(platform);

describe('a profile', () => {
  test('is the same for the same settings, and another for others', () => {
    expect(buildInjectionTemplate(structuredClone(platform)).hash).toBe(hash);
    const cloud = { ...platform.cloud, region: 'us-east-1' };
    expect(buildInjectionTemplate({ ...platform, cloud }).hash).not.toBe(hash);
  });

  test('does not depend on what no injected field shows', () => {
    const tasks = { ...platform.tasks, maxLifetimeSeconds: 60 };
    expect(buildInjectionTemplate({ ...platform, tasks }).hash).toBe(hash);
  });

  test('comes back from what was published', () => {
    const { templates, faults } = readTemplates({ [hash]: text });
    expect(templates.get(hash)).toEqual(JSON.parse(JSON.stringify(template)));
    expect(faults).toEqual([]);
  });

  test.each([
    ['text that is not what the key says', { [hash]: text.replace('Always', 'Never') }],
    ['text that is no JSON', { [hashTemplate('{')]: '{' }],
    ['a profile without a sidecar', { [hashTemplate('{"label":{}}')]: '{"label":{}}' }],
    ['a profile that is null', { [hashTemplate('null')]: 'null' }],
  ])('is accepted by nobody as %s', (_, data) => {
    const { templates, faults } = readTemplates({
      ...data,
      [buildInjectionTemplate(platform).hash + '0']: 'x',
    });
    expect(templates.size).toBe(0);
    expect(faults).toHaveLength(2);
  });
});

describe('JSON in an environment value', () => {
  test('has nothing in it that the kubelet would expand', () => {
    const value = { pattern: '[a-z]+$', purpose: '$(POD_IP) $$' };
    const text = toEnvironmentJson(value);
    expect(text).not.toContain('$');
    expect(JSON.parse(text)).toEqual(value);
  });
});
