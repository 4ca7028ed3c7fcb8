import { describe, expect, it } from '@jest/globals';
import type { Platform } from '../contract/platform.ts';
import { authorityPlatform, platform } from './fixtures/sample-platform.ts';
import { buildInjectionTemplate } from './injection-template.ts';

const readSidecarEnv = (settings: Platform, trustBundle?: string) => {
  const { sidecar } = buildInjectionTemplate(settings, trustBundle).template;
  return new Map(sidecar.env?.map(({ name, value }) => [name, value]));
};

describe('buildInjectionTemplate', () => {
  it('has a stable hash under trust: cluster', () => {
    expect(buildInjectionTemplate(platform).hash).toBe(
      '55289126659a151b29875328d8027529ad4eec48c0a8b8f9475b9b3db3369108',
    );
    expect(buildInjectionTemplate(platform, 'any bundle').hash).toBe(
      buildInjectionTemplate(platform).hash,
    );
  });

  it('configures the sidecar with the authority and not with the cloud under trust: authority', () => {
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

  it('passes the disconnect timeout of the platform to the sidecar', () => {
    const { authority } = authorityPlatform;
    if (authority === undefined) throw new Error('no authority');
    const settings = {
      ...authorityPlatform,
      authority: { ...authority, disconnectTimeoutSeconds: 90 },
    };
    const text = readSidecarEnv(settings, 'PEM').get('VALETKEY_AUTHORITY') ?? '';
    expect(JSON.parse(text)).toMatchObject({ disconnectTimeoutSeconds: 90 });
  });

  it('depends on the trust bundle, and throws without one', () => {
    const [one, other] = ['a', 'b'].map(
      (trustBundle) => buildInjectionTemplate(authorityPlatform, trustBundle).hash,
    );
    expect(one).not.toBe(other);
    expect(() => buildInjectionTemplate(authorityPlatform)).toThrow('needs a trust bundle');
  });
});
