import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

import { formatFieldError } from '../../lib/schema/field-error.ts';
import { readAuthorityConfig } from './config.ts';

const PLATFORM = `
sidecar: {image: x}
cloud: {region: eu-central-1}
tasks: {accountIds: ["111122223333"]}
authority: {endpoint: "https://a.b.svc", issuer: "https://issuer.example", trustDomain: prod.example}
`;

let folder: string;
let file: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'valetkey-config-'));
  file = join(folder, 'platform.yaml');
  writeFileSync(file, PLATFORM);
});
afterAll(() => rmSync(folder, { recursive: true }));

const buildMinimalEnvironment = (members: Record<string, string> = {}) => ({
  VALETKEY_PLATFORM_FILE: file,
  VALETKEY_NAMESPACE: 'valetkey',
  VALETKEY_POD_NAME: 'valetkey-authority-0',
  ...members,
});
const listErrors = (environment: Record<string, string>): string => {
  const result = readAuthorityConfig(environment);
  return result.ok ? '' : result.faults.map(formatFieldError).join('\n');
};

describe('readAuthorityConfig', () => {
  it('requires namespace, name and platform, and has the defaults of the chart', () => {
    expect(readAuthorityConfig(buildMinimalEnvironment())).toMatchObject({
      ok: true,
      value: {
        caSecret: 'valetkey-authority-ca',
        keysSecret: 'valetkey-authority-keys',
        auditSecret: 'valetkey-authority-audit',
        auditFolder: '',
        listen: { host: '', port: 9445 },
        telemetry: { host: '', port: 9446 },
        keyLifetimeSeconds: 2_592_000,
        podAddresses: 'compare',
        podRate: 2,
        connectionsPerPeer: 256,
      },
    });
  });

  it('lists all errors of the environment and the platform file with their source', () => {
    const broken = join(folder, 'broken.yaml');
    writeFileSync(broken, 'cloud: {region: EU}\n');
    const faults = listErrors({ VALETKEY_PLATFORM_FILE: broken, VALETKEY_POD_RATE: '0' });
    expect(faults).toContain(`${broken} cloud.region: `);
    for (const name of ['VALETKEY_NAMESPACE', 'VALETKEY_POD_NAME', 'VALETKEY_POD_RATE']) {
      expect(faults).toContain(`${name}: `);
    }
  });

  it('rejects a platform without trust: authority', () => {
    const cluster = join(folder, 'cluster.yaml');
    writeFileSync(
      cluster,
      'trust: cluster\nsidecar: {image: x}\ncloud: {region: eu-central-1}\ntasks: {accountIds: ["111122223333"]}\n',
    );
    expect(listErrors(buildMinimalEnvironment({ VALETKEY_PLATFORM_FILE: cluster }))).toBe(
      'VALETKEY_PLATFORM_FILE: expected trust: authority, got "cluster"',
    );
  });

  it('rejects a certificate lifetime over a third of the CA lifetime', () => {
    const lives = { VALETKEY_CA_LIFETIME: '10d', VALETKEY_LEAF_LIFETIME: '4d' };
    expect(listErrors(buildMinimalEnvironment(lives))).toContain(
      'VALETKEY_LEAF_LIFETIME: expected at most a third',
    );
  });

  it('reads the size and age of audit files, and has no limit without a volume', () => {
    const limits = { VALETKEY_AUDIT_MAX_BYTES: '512Mi', VALETKEY_AUDIT_RETAIN: '90d' };
    expect(readAuthorityConfig(buildMinimalEnvironment(limits))).toMatchObject({
      value: { auditMaxBytes: 512 * 1024 * 1024, auditRetainSeconds: 90 * 86_400 },
    });
    expect(readAuthorityConfig(buildMinimalEnvironment())).toMatchObject({
      value: { auditMaxBytes: undefined, auditVolumeBytes: undefined },
    });
  });

  it.each([
    ['VALETKEY_AUDIT_MAX_BYTES', '100Ki', 'expected a quantity of at least 1Mi'],
    ['VALETKEY_AUDIT_MAX_BYTES', '950Mi', 'expected at most 70 % of VALETKEY_AUDIT_VOLUME_SIZE'],
    ['VALETKEY_AUDIT_RETAIN', '10m', 'expected a duration'],
  ])('rejects %s %s', (name, value, expected) => {
    const environment = { VALETKEY_AUDIT_VOLUME_SIZE: '1Gi', [name]: value };
    expect(listErrors(buildMinimalEnvironment(environment))).toContain(`${name}: ${expected}`);
  });

  it('rejects unknown variables, and variables that load code', () => {
    expect(listErrors(buildMinimalEnvironment({ VALETKEY_POD_RATES: '1' }))).toContain(
      'VALETKEY_POD_RATES: ',
    );
    expect(listErrors(buildMinimalEnvironment({ NODE_OPTIONS: '--require x' }))).toContain(
      'NODE_OPTIONS: ',
    );
  });
});
