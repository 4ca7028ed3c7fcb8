import { describe, expect, it } from '@jest/globals';
import { canonicalizeJson } from '../schema/canonical-json.ts';
import { platform } from './fixtures/sample-platform.ts';
import { toEnvironmentJson, hashTemplate, buildInjectionTemplate } from './injection-template.ts';
import { readTemplates } from './accepted-templates.ts';

const { hash, text, template } = buildInjectionTemplate(platform);

describe('readTemplates', () => {
  it('returns the template of the settings, which differs for other settings', () => {
    expect(buildInjectionTemplate(structuredClone(platform)).hash).toBe(hash);
    const cloud = { ...platform.cloud, region: 'us-east-1' };
    expect(buildInjectionTemplate({ ...platform, cloud }).hash).not.toBe(hash);
  });

  it('does not depend on settings that no injected field shows', () => {
    const tasks = { ...platform.tasks, maxLifetimeSeconds: 60 };
    expect(buildInjectionTemplate({ ...platform, tasks }).hash).toBe(hash);
  });

  it('reads a published template', () => {
    const { templates, faults } = readTemplates({ [hash]: text });
    expect(templates.get(hash)).toEqual(JSON.parse(JSON.stringify(template)));
    expect(faults).toEqual([]);
  });

  it('reads a template of a version without signed tasks', () => {
    const { signEnv, ...consumer } = template.consumer;
    const older = canonicalizeJson({ ...template, consumer });
    const { templates } = readTemplates({ [hashTemplate(older)]: older });
    expect(signEnv).toBeDefined();
    expect(templates.get(hashTemplate(older))?.consumer).not.toHaveProperty('signEnv');
  });

  it.each([
    ['text that is not what the key says', { [hash]: text.replace('Always', 'Never') }],
    ['text that is no JSON', { [hashTemplate('{')]: '{' }],
    ['a template without a sidecar', { [hashTemplate('{"label":{}}')]: '{"label":{}}' }],
    ...[{}, 'x', [{ name: 7 }]].map((signEnv): [string, Record<string, string>] => {
      const wrong = canonicalizeJson({ ...template, consumer: { ...template.consumer, signEnv } });
      return [
        `a template with the variables ${JSON.stringify(signEnv)} of signed tasks`,
        { [hashTemplate(wrong)]: wrong },
      ];
    }),
    ['a template that is null', { [hashTemplate('null')]: 'null' }],
  ])('rejects %s', (_, data) => {
    const { templates, faults } = readTemplates({
      ...data,
      [buildInjectionTemplate(platform).hash + '0']: 'x',
    });
    expect(templates.size).toBe(0);
    expect(faults).toHaveLength(2);
  });
});

describe('toEnvironmentJson', () => {
  it('escapes what the kubelet would expand', () => {
    const value = { pattern: '[a-z]+$', purpose: '$(POD_IP) $$' };
    const text = toEnvironmentJson(value);
    expect(text).not.toContain('$');
    expect(JSON.parse(text)).toEqual(value);
  });
});
