import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { formatFieldError } from '../../lib/schema/field-error.ts';
import { readWebhookConfig } from './config.ts';

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-config-'));
  file = join(folder, 'platform.yaml');
  writeFileSync(
    file,
    'trust: cluster\nsidecar: {image: x}\ncloud: {region: eu-central-1}\ntasks: {accountIds: ["111122223333"]}\n',
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const listErrors = (environment: Record<string, string>): readonly string[] => {
  const result = readWebhookConfig(environment);
  return result.ok ? [] : result.faults.map(formatFieldError);
};
const buildMinimalEnvironment = () => ({
  VALETKEY_PLATFORM_FILE: file,
  VALETKEY_NAMESPACE: 'valetkey',
});

describe('readWebhookConfig', () => {
  it('requires a namespace and the platform, and has the defaults of the chart', () => {
    const config = readWebhookConfig(buildMinimalEnvironment());
    expect(config).toMatchObject({
      ok: true,
      value: {
        service: 'valetkey-webhook',
        configuration: 'valetkey',
        certificates: 'self-signed',
        caSecret: 'valetkey-webhook-ca',
        listen: { host: '', port: 10250 },
        telemetry: { host: '', port: 9444 },
        cluster: 'kubernetes',
        authorityLifetimeSeconds: 31_536_000,
        leafLifetimeSeconds: 604_800,
      },
    });
  });

  it('reports faults of the environment and of the file together, each with its source', () => {
    const broken = join(folder, 'broken.yaml');
    writeFileSync(broken, 'cloud: {region: EU}\n');
    const faults = listErrors({ VALETKEY_PLATFORM_FILE: broken, VALETKEY_LOG_LEVEL: 'loud' });
    expect(faults.join('\n')).toContain(`${broken} sidecar.image: `);
    expect(faults.join('\n')).toContain(`${broken} cloud.region: `);
    expect(faults.join('\n')).toContain('VALETKEY_NAMESPACE: ');
    expect(faults.join('\n')).toContain('VALETKEY_LOG_LEVEL: ');
  });

  it('names a file that cannot be read', () => {
    expect(
      listErrors({ ...buildMinimalEnvironment(), VALETKEY_PLATFORM_FILE: '/nowhere' }),
    ).toEqual(['VALETKEY_PLATFORM_FILE: expected a readable file, got "/nowhere"']);
  });

  it('reports denied environment variables together with other faults', () => {
    const faults = listErrors({
      ...buildMinimalEnvironment(),
      NODE_OPTIONS: '--inspect',
      VALETKEY_NAMESPACE: '',
    });
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'NODE_OPTIONS',
      'VALETKEY_NAMESPACE',
    ]);
  });

  it('rejects a self-managed CA without a cluster', () => {
    expect(listErrors({ ...buildMinimalEnvironment(), VALETKEY_CLUSTER: 'none' })).toHaveLength(1);
    const files = { VALETKEY_CLUSTER: 'none', VALETKEY_CERTIFICATES: 'files' };
    expect(listErrors({ ...buildMinimalEnvironment(), ...files })).toEqual([]);
  });

  it('rejects trust: authority without a cluster', () => {
    const file = join(folder, 'authority.yaml');
    const authority = '{endpoint: "https://a", issuer: "https://i", trustDomain: example.org}';
    writeFileSync(
      file,
      `sidecar: {image: x}\ncloud: {region: eu-central-1}\ntasks: {accountIds: ["111122223333"]}\nauthority: ${authority}\n`,
    );
    const given = {
      ...buildMinimalEnvironment(),
      VALETKEY_PLATFORM_FILE: file,
      VALETKEY_CERTIFICATES: 'files',
    };
    expect(listErrors(given)).toEqual([]);
    expect(listErrors({ ...given, VALETKEY_CLUSTER: 'none' })).toEqual([
      expect.stringMatching(/^VALETKEY_CLUSTER: .*trust is authority/),
    ]);
  });

  it('rejects a leaf lifetime of more than a third of the CA lifetime', () => {
    const lives = { VALETKEY_CA_LIFETIME: '2d', VALETKEY_LEAF_LIFETIME: '1d' };
    expect(listErrors({ ...buildMinimalEnvironment(), ...lives })).toEqual([
      'VALETKEY_LEAF_LIFETIME: expected at most a third of VALETKEY_CA_LIFETIME (172800s), got 86400s',
    ]);
  });
});
