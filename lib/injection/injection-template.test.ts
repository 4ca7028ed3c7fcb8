import { describe, expect, test } from '@jest/globals';
import type { Platform } from '../contract/platform.ts';
import { authorityPlatform, platform } from './fixtures/sample-platform.ts';
import { buildInjectionTemplate } from './injection-template.ts';

const readSidecarEnv = (settings: Platform, roots?: string) => {
  const { sidecar } = buildInjectionTemplate(settings, roots).template;
  return new Map(sidecar.env?.map(({ name, value }) => [name, value]));
};

describe('a profile', () => {
  test('under trust: cluster is what it was before there was an authority', () => {
    expect(buildInjectionTemplate(platform).hash).toBe(
      '00ec278a0c7b4a43556f38050537d79dd6a7de4f64b50cde2802e5c87b3f99a8',
    );
    expect(buildInjectionTemplate(platform, 'any roots').hash).toBe(
      buildInjectionTemplate(platform).hash,
    );
  });

  test('under trust: authority tells the sidecar of the authority, and nothing of the cloud', () => {
    const env = readSidecarEnv(authorityPlatform, 'PEM');
    expect(env.has('VALETKEY_CLOUD')).toBe(false);
    expect(env.get('VALETKEY_TRUST')).toBe('authority');
    expect(JSON.parse(env.get('VALETKEY_AUTHORITY') ?? '')).toEqual({
      endpoint: 'https://valetkey-authority.valetkey.svc',
      roots: 'PEM',
    });
    const [source] =
      buildInjectionTemplate(authorityPlatform, 'PEM').template.tokenVolume.projected?.sources ??
      [];
    expect(source?.serviceAccountToken?.audience).toBe('authority.valetkey.dev');
  });

  test('tells the sidecar how long it may bear silence, where the platform says', () => {
    const { authority } = authorityPlatform;
    if (authority === undefined) throw new Error('no authority');
    const settings = {
      ...authorityPlatform,
      authority: { ...authority, disconnectTimeoutSeconds: 90 },
    };
    const text = readSidecarEnv(settings, 'PEM').get('VALETKEY_AUTHORITY') ?? '';
    expect(JSON.parse(text)).toMatchObject({ maxSilenceSeconds: 90 });
  });

  test('is another one under other roots, and none without', () => {
    const [one, other] = ['a', 'b'].map(
      (roots) => buildInjectionTemplate(authorityPlatform, roots).hash,
    );
    expect(one).not.toBe(other);
    expect(() => buildInjectionTemplate(authorityPlatform)).toThrow('needs a trust bundle');
  });
});
