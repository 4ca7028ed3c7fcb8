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
      '0cf0519b5e2a8bae44f55ac29d4003e07ba2d0c662b327223ca679be1d970a79',
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

  it('passes the settings of tracing only if sidecars send spans', () => {
    const tracing = { endpoint: 'http://collector:4318', samplerRatio: 0.5 };
    const traced = { ...platform, sidecar: { ...platform.sidecar, tracing } };
    const env = readSidecarEnv(traced);
    expect(env.get('OTEL_EXPORTER_OTLP_ENDPOINT')).toBe('http://collector:4318');
    expect(env.get('OTEL_TRACES_SAMPLER_ARG')).toBe('0.5');
    expect(readSidecarEnv(platform).has('OTEL_EXPORTER_OTLP_ENDPOINT')).toBe(false);
  });

  it('depends on the trust bundle, and throws without one', () => {
    const [one, other] = ['a', 'b'].map(
      (trustBundle) => buildInjectionTemplate(authorityPlatform, trustBundle).hash,
    );
    expect(one).not.toBe(other);
    expect(() => buildInjectionTemplate(authorityPlatform)).toThrow('needs a trust bundle');
  });

  it.each([platform, authorityPlatform])(
    'passes the settings of the gateway to the sidecar under trust: $trust',
    (settings) => {
      const cloud = {
        ...settings.cloud,
        regions: ['eu-central-1', 'eu-west-1'],
        endpoints: [{ service: 's3', url: 'http://$(HOME).example' }],
        ...{ caBundle: 'PEM', httpsProxy: 'http://proxy.example:3128', allowHttp: true },
        stsEndpoint: 'https://sts.example',
      };
      const env = readSidecarEnv({ ...settings, cloud }, 'PEM');
      expect(env.get('VALETKEY_GATEWAY_LISTEN')).toBe('127.0.0.1:9473');
      expect(env.get('VALETKEY_GATEWAY')).not.toContain('$');
      const { stsEndpoint, sourceRestriction, ...used } = cloud;
      expect([stsEndpoint, sourceRestriction]).toBeDefined();
      expect(JSON.parse(env.get('VALETKEY_GATEWAY') ?? '')).toEqual({
        ...settings.gateway,
        ...used,
      });
    },
  );

  it('passes only the settings of the gateway that the platform has', () => {
    const { region, dialect, allowHttp } = platform.cloud;
    expect(JSON.parse(readSidecarEnv(platform).get('VALETKEY_GATEWAY') ?? '')).toEqual({
      ...platform.gateway,
      ...{ region, dialect, allowHttp },
    });
  });
});
