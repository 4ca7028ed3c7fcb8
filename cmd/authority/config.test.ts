import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

import { formatFieldError } from '../../lib/schema/field-error.ts';
import { readAuthorityConfig } from './config.ts';

const PLATFORM = `
sidecar: {image: x}
cloud: {region: eu-central-1}
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

describe("the authority's settings", () => {
  test('need a namespace, a name and the platform, and default as the chart installs', () => {
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

  test('list faults of the environment and of the file together, each with its source', () => {
    const broken = join(folder, 'broken.yaml');
    writeFileSync(broken, 'cloud: {region: EU}\n');
    const faults = listErrors({ VALETKEY_PLATFORM_FILE: broken, VALETKEY_POD_RATE: '0' });
    expect(faults).toContain(`${broken} cloud.region: `);
    for (const name of ['VALETKEY_NAMESPACE', 'VALETKEY_POD_NAME', 'VALETKEY_POD_RATE']) {
      expect(faults).toContain(`${name}: `);
    }
  });

  test('are for trust: authority alone', () => {
    const cluster = join(folder, 'cluster.yaml');
    writeFileSync(cluster, 'trust: cluster\nsidecar: {image: x}\ncloud: {region: eu-central-1}\n');
    expect(listErrors(buildMinimalEnvironment({ VALETKEY_PLATFORM_FILE: cluster }))).toBe(
      'VALETKEY_PLATFORM_FILE: expected trust: authority, got "cluster"',
    );
  });

  test('refuse a certificate that outlives a third of its authority', () => {
    const lives = { VALETKEY_CA_LIFETIME: '10d', VALETKEY_LEAF_LIFETIME: '4d' };
    expect(listErrors(buildMinimalEnvironment(lives))).toContain(
      'VALETKEY_LEAF_LIFETIME: expected at most a third',
    );
  });

  test('refuse what is misspelt, and what could load code', () => {
    expect(listErrors(buildMinimalEnvironment({ VALETKEY_POD_RATES: '1' }))).toContain(
      'VALETKEY_POD_RATES: ',
    );
    expect(listErrors(buildMinimalEnvironment({ NODE_OPTIONS: '--require x' }))).toContain(
      'NODE_OPTIONS: ',
    );
  });
});
