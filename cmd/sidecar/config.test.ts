import { afterEach, describe, expect, test } from '@jest/globals';

import { createCertificateAuthority } from '../../lib/certificate/certificate-authority.ts';
import { platform } from '../../lib/injection/fixtures/sample-platform.ts';
import { buildInjectionTemplate } from '../../lib/injection/injection-template.ts';
import { buildTask } from '../../lib/runs/fixtures/fake-exchange.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { HELP, readSidecarConfig } from './config.ts';
import { createPodFolder } from './fixtures/test-sidecar.ts';

const { certificate: ROOT } = await createCertificateAuthority({
  now: Date.now(),
  lifetimeMs: 60_000,
});

const removing: (() => void)[] = [];
afterEach(() => {
  for (const remove of removing.splice(0)) remove();
});

const buildEnvironment = (overrides: Record<string, string> = {}) => {
  const pod = createPodFolder([buildTask()]);
  removing.push(pod.remove);
  return { ...pod.environment, ...overrides };
};

const readErrors = (given: Record<string, string>): string[] => {
  const result = readSidecarConfig(given);
  return result.ok ? [] : result.faults.map(formatFieldError);
};

describe('readSidecarConfig', () => {
  test('returns typed settings with defaults', () => {
    expect(readSidecarConfig(buildEnvironment())).toMatchObject({
      ok: true,
      value: {
        admitted: { consumers: ['agent'], tasks: [buildTask()] },
        cloud: {
          region: 'eu-central-1',
          allowHttp: false,
          dialect: 'aws',
          sourceRestriction: { mode: 'none' },
        },
        loopback: { host: '127.0.0.1', port: 0 },
        telemetry: { host: '127.0.0.1', port: 0 },
        podName: 'agent-0',
      },
    });
  });

  test('reads both addresses of a dual-stack pod, and serves probes on the first', () => {
    const given = { VALETKEY_POD_IPS: '10.20.0.7,fd00::7', VALETKEY_TELEMETRY_LISTEN: ':9472' };
    expect(readSidecarConfig(buildEnvironment(given))).toMatchObject({
      ok: true,
      value: { podIps: ['10.20.0.7', 'fd00::7'], telemetry: { host: '10.20.0.7' } },
    });
  });

  const refused: [string, Record<string, string>, string][] = [
    ['no address of the pod', { VALETKEY_POD_IPS: '' }, 'VALETKEY_POD_IPS'],
    ['an address that is a name', { VALETKEY_POD_IPS: '10.20.0.7,agent' }, 'VALETKEY_POD_IPS'],
    ['no tasks', { VALETKEY_TASKS: '' }, 'VALETKEY_TASKS'],
    [
      'an empty list of tasks',
      { VALETKEY_TASKS: '{"consumers":["a"],"tasks":[]}' },
      'VALETKEY_TASKS',
    ],
    ['tasks that are not JSON', { VALETKEY_TASKS: 'x' }, 'VALETKEY_TASKS'],
    [
      'a token file that cannot be read',
      { VALETKEY_TOKEN_FILE: '/nowhere' },
      'VALETKEY_TOKEN_FILE',
    ],
    [
      'a loopback that is none',
      { VALETKEY_LOOPBACK_LISTEN: '0.0.0.0:1' },
      'VALETKEY_LOOPBACK_LISTEN',
    ],
    ['a cloud without region', { VALETKEY_CLOUD: '{}' }, 'cloud.region'],
    ['an unknown member of the cloud', { VALETKEY_CLOUD: '{"region":"x","x":1}' }, 'cloud.x'],
    [
      'an STS without encryption',
      { VALETKEY_CLOUD: '{"region":"x","stsEndpoint":"http://sts:1"}' },
      'allowHttp',
    ],
    ['an unknown trust mode', { VALETKEY_TRUST: 'none' }, 'VALETKEY_TRUST'],
    ['a misspelled name', { VALETKEY_TASK: 'x' }, 'VALETKEY_TASK'],
    ['NODE_OPTIONS', { NODE_OPTIONS: '--inspect' }, 'NODE_OPTIONS'],
    ['LD_PRELOAD', { LD_PRELOAD: '/x.so' }, 'LD_PRELOAD'],
    ['SSLKEYLOGFILE', { SSLKEYLOGFILE: '/x' }, 'SSLKEYLOGFILE'],
  ];
  test.each(refused)('returns an error that names the setting for %s', (_, overrides, named) => {
    expect(readErrors(buildEnvironment(overrides)).join('\n')).toContain(named);
  });

  const access = (changes: object = {}): string =>
    JSON.stringify({ endpoint: 'https://authority.example:9445', roots: ROOT, ...changes });
  const underAuthority = (authority = access()) => {
    return {
      ...buildEnvironment(),
      VALETKEY_CLOUD: '',
      VALETKEY_TRUST: 'authority',
      VALETKEY_AUTHORITY: authority,
    };
  };

  test('requires the authority and no cloud for trust: authority', () => {
    const result = readSidecarConfig(underAuthority(access({ disconnectTimeoutSeconds: 60 })));
    expect(result).toMatchObject({
      ok: true,
      value: {
        trust: 'authority',
        authority: {
          endpoint: 'https://authority.example:9445',
          roots: ROOT,
          disconnectTimeoutSeconds: 60,
        },
      },
    });
  });

  test('ignores an invalid cloud for trust: authority', () => {
    const given = { ...underAuthority(), VALETKEY_CLOUD: 'nonsense' };
    expect(readSidecarConfig(given)).toMatchObject({ ok: true, value: { cloud: undefined } });
    const other = buildEnvironment({ VALETKEY_AUTHORITY: 'nonsense' });
    expect(readSidecarConfig(other)).toMatchObject({ ok: true, value: { authority: undefined } });
  });

  test.each([
    ['no authority', '', 'VALETKEY_AUTHORITY'],
    ['an authority without encryption', access({ endpoint: 'http://a' }), 'authority.endpoint'],
    ['an endpoint with a path', access({ endpoint: 'https://a/b' }), 'authority.endpoint'],
    ['no roots', access({ roots: '' }), 'authority.roots'],
    ['invalid roots', access({ roots: 'x' }), 'authority.roots'],
    [
      'a timeout of 0',
      access({ disconnectTimeoutSeconds: 0 }),
      'authority.disconnectTimeoutSeconds',
    ],
    ['an unknown member', access({ insecure: true }), 'authority.insecure'],
  ])('returns an error that names the setting for %s', (_, authority, named) => {
    expect(readErrors(underAuthority(authority)).join('\n')).toContain(named);
  });

  test('returns all errors at once', () => {
    const faults = readErrors({ NODE_OPTIONS: 'x' }).join('\n');
    for (const name of ['NODE_OPTIONS', 'VALETKEY_TASKS', 'VALETKEY_CLOUD', 'VALETKEY_POD_NAME']) {
      expect(faults).toContain(name);
    }
  });

  test('documents every setting in --help', () => {
    for (const name of Object.keys(buildEnvironment())) expect(HELP).toContain(name);
  });

  describe('of the gateway', () => {
    const signTask = buildTask({ delivery: 'sign' });
    const buildSignEnvironment = (gateway?: object) => {
      const pod = createPodFolder([signTask]);
      removing.push(pod.remove);
      return {
        ...pod.environment,
        ...(gateway && { VALETKEY_GATEWAY: JSON.stringify(gateway) }),
      };
    };

    test('are not required by pods without a sign task, whose webhook may know none', () => {
      const result = readSidecarConfig(buildEnvironment());
      expect(result.ok && result.value.gateway).toBeUndefined();
    });

    test('are required by a sign task, which the error names', () => {
      expect(readErrors(buildSignEnvironment())).toEqual([
        expect.stringMatching(/^VALETKEY_GATEWAY: .*task summarize has delivery sign/),
      ]);
    });

    test('have the defaults of the platform', () => {
      const limits = { maxBodyBytes: 8 * 1024 * 1024, bufferBytes: 32 * 1024 * 1024 };
      const given = { region: 'eu-central-1', ...limits };
      const result = readSidecarConfig(buildSignEnvironment(given));
      expect(result.ok && result.value.gateway).toMatchObject({
        ...given,
        dialect: 'aws',
        journalLinesPerSecond: 200,
        journalResources: 'full',
      });
    });

    test.each([
      ['an unknown member', { bucket: 'x' }, 'gateway.bucket'],
      ['buffers smaller than one body', { bufferBytes: 1024 * 1024 }, 'at least maxBodyBytes'],
      [
        'an http endpoint without allowHttp',
        { endpoints: [{ service: 's3', url: 'http://minio:9000' }] },
        'allowHttp: true',
      ],
    ])('reject %s', (_, gateway, expected) => {
      const limits = { maxBodyBytes: 8 * 1024 * 1024, bufferBytes: 32 * 1024 * 1024 };
      const given = { region: 'eu-central-1', ...limits, ...gateway };
      expect(readErrors(buildSignEnvironment(given)).join()).toContain(expected);
    });

    test('reject an address that other pods can reach', () => {
      const given = { VALETKEY_GATEWAY_LISTEN: '0.0.0.0:9473' };
      expect(readErrors(buildEnvironment(given))).toEqual([
        expect.stringContaining('VALETKEY_GATEWAY_LISTEN'),
      ]);
    });
  });
});

describe('readSidecarConfig of the gateway', () => {
  const signed = { ...buildTask(), delivery: 'sign' } as const;
  const tasks = JSON.stringify({ consumers: ['agent'], tasks: [signed] });

  test('reads what injection writes', () => {
    const cloud = {
      ...platform.cloud,
      endpoints: [{ service: 's3', url: 'https://s3.example:9000' }],
    };
    const { sidecar } = buildInjectionTemplate({ ...platform, cloud }).template;
    const written = Object.fromEntries(
      (sidecar.env ?? [])
        .filter(({ name }) => name.startsWith('VALETKEY_GATEWAY'))
        .map(({ name, value = '' }) => [name, value]),
    );
    const result = readSidecarConfig(buildEnvironment({ ...written, VALETKEY_TASKS: tasks }));
    const { region, endpoints, dialect, allowHttp } = cloud;
    expect(result).toMatchObject({
      ok: true,
      value: {
        gateway: { ...platform.gateway, region, endpoints, dialect, allowHttp },
        gatewayListen: { host: '127.0.0.1', port: 9473 },
      },
    });
  });

  test('needs its settings only for signed tasks', () => {
    expect(readErrors(buildEnvironment())).toEqual([]);
    expect(readErrors(buildEnvironment({ VALETKEY_TASKS: tasks }))).toEqual([
      'VALETKEY_GATEWAY: expected settings of the gateway, because task summarize has delivery sign, got nothing',
    ]);
  });

  test.each([
    [{ region: 'eu-1', endpoints: [{ service: 's3', url: 'http://x' }] }, 'https endpoints'],
    [{ region: 'eu-1', maxBodyBytes: 26 * 1024 * 1024, bufferBytes: 8 * 1024 * 1024 }, 'at least'],
    [{ region: 'eu-1', maxBodyBytes: 1 }, 'maxBodyBytes'],
    [{ region: 'eu-1', maxBody: '8Mi' }, 'maxBody'],
    [{}, 'region'],
  ])('rejects %j', (access, expected) => {
    const text = JSON.stringify({ ...platform.gateway, ...access });
    const errors = readErrors(buildEnvironment({ VALETKEY_GATEWAY: text }));
    expect(errors.join()).toContain(expected);
  });

  test('listens only on 127.0.0.1', () => {
    expect(readErrors(buildEnvironment({ VALETKEY_GATEWAY_LISTEN: '0.0.0.0:9473' }))).toEqual([
      expect.stringContaining('VALETKEY_GATEWAY_LISTEN: expected 127.0.0.1:port'),
    ]);
  });
});
