import { describe, expect, it } from '@jest/globals';

import {
  CLUSTER_PLATFORM,
  createJwks,
  PLATFORM,
  runCli,
  S3_PLATFORM,
} from './fixtures/cli-harness.ts';
import { parsePublishedKeys } from './jwks.ts';

const ROLE = 'arn:aws:iam::111122223333:role/agent-reports';
const runTrustPolicy = (...words: readonly string[]) => runCli(['trust-policy', ...words]);

describe('trust-policy', () => {
  it('prints aws commands for the provider and the role', async () => {
    const { code, out } = await runTrustPolicy('--role', ROLE, '-n', 'research');
    const [provider, role, ...rest] = out.trimEnd().split('\n');
    expect(provider).toBe(
      'aws iam create-open-id-connect-provider --url https://issuer.example/prod --client-id-list sts.amazonaws.com',
    );
    expect(role).toMatch(
      /^aws iam create-role --role-name agent-reports --assume-role-policy-document '\{/,
    );
    expect(role).toContain('spiffe://prod.example/ns/research/sa/*/task/*');
    expect([code, rest]).toEqual([0, []]);
  });

  it('prints Terraform', async () => {
    const { out } = await runTrustPolicy('--role', ROLE, '--format', 'terraform');
    expect(out).toContain('resource "aws_iam_role" "agent-reports" {');
  });

  it.each([['--format=json'], ['--output=json'], ['-ojson']])(
    'prints only the trust policy with %s',
    async (option) => {
      const words = [
        '--service-account',
        'reporter',
        '--task',
        'summarize',
        '--tag',
        'valetkey-param-customer=acme',
      ];
      const { out } = await runTrustPolicy(
        '--role',
        ROLE,
        option,
        '--namespace',
        'research',
        '--namespace',
        'sales',
        ...words,
      );
      expect(JSON.parse(out)).toMatchObject({
        Statement: [
          {
            Principal: { Federated: 'arn:aws:iam::111122223333:oidc-provider/issuer.example/prod' },
            Condition: {
              StringEquals: {
                'issuer.example/prod:sub': [
                  'spiffe://prod.example/ns/research/sa/reporter/task/summarize',
                  'spiffe://prod.example/ns/sales/sa/reporter/task/summarize',
                ],
                'aws:RequestTag/valetkey-param-customer': 'acme',
              },
            },
          },
        ],
      });
    },
  );

  it("prints the trust policy for the authority's own roles with --authority", async () => {
    const { out } = await runTrustPolicy('--role', ROLE, '--authority', '--format', 'json');
    expect(out).toContain('"issuer.example/prod:sub": "spiffe://prod.example/authority"');
  });

  it('completes a role name with the given account or the only allowed account', async () => {
    const named = ['trust-policy', '--role', 'team/agent', '--format', 'json'];
    const provider = 'arn:aws:iam::111122223333:oidc-provider/issuer.example/prod';
    expect((await runCli([...named, '--account', '111122223333'])).out).toContain(provider);
    const one = PLATFORM.replace(', "444455556666"', '');
    expect((await runCli(named, { platform: one })).out).toContain(provider);
    const any = PLATFORM.replace(/accountIds: .*/, 'accountIds: ["*"]}');
    expect((await runCli(named, { platform: any })).error).toContain(
      '--account: expected 12 digits',
    );
  });

  it('prints a role without an account and the thumbprints of both keys for a private cloud', async () => {
    const { out } = await runCli(['trust-policy', '--role', 'agent'], { platform: S3_PLATFORM });
    const [first = '', second = ''] = parsePublishedKeys(await createJwks()).map(
      ({ thumbprint }) => thumbprint,
    );
    expect(first).toMatch(/^[0-9a-f]{40}$/);
    expect(first).not.toBe(second);
    expect(out).toMatch(/--thumbprint-list [0-9a-f]{40} [0-9a-f]{40}\n/);
    expect(out).toContain('arn:aws:iam:::oidc-provider/');
  });

  it('sends no request if the settings are in a file', async () => {
    const files = { 'platform.yaml': PLATFORM };
    const words = ['trust-policy', '--role', ROLE, '--platform', 'platform.yaml'];
    expect(await runCli(words, { files })).toMatchObject({ code: 0, opened: [] });
  });

  it.each<readonly [string, readonly string[], number, string]>([
    ['no role', [], 2, "error: required option '--role <arn|name>' not specified"],
    ['an invalid role', ['--role', 'a b'], 2, '--role: expected a role ARN or name, got "a b"'],
    ['a name without account', ['--role', 'agent'], 2, '--account: expected 12 digits'],
    ['an invalid account', ['--role', 'agent', '--account', '1'], 2, 'got "1"'],
    ['a tag without value', ['--role', ROLE, '--tag', 'x'], 2, 'expected name=value.'],
    ['a tag twice', ['--role', ROLE, '--tag', 'x=1', '--tag', 'x=2'], 2, 'x is given twice.'],
    [
      'an unknown format',
      ['--role', ROLE, '--format', 'cdk'],
      2,
      'Allowed choices are aws, terraform, json.',
    ],
    [
      'the authority narrowed to a task',
      ['--role', ROLE, '--authority', '--task', 'x'],
      2,
      '--authority: expected no other condition',
    ],
  ])('rejects %s', async (_, words, code, expected) => {
    const { error, ...ended } = await runTrustPolicy(...words);
    expect(error).toContain(expected);
    expect(ended).toMatchObject({ code, out: '' });
  });

  it.each([
    'https://valetkey-authority.valetkey.svc',
    'https://valetkey-authority.valetkey.svc.cluster.local/prod',
    'https://10.1.2.3',
    'https://issuer',
  ])('exits with 1 for the issuer %s, which AWS cannot reach', async (issuer) => {
    const platform = PLATFORM.replace('https://issuer.example/prod', issuer);
    const { code, out, error } = await runCli(['trust-policy', '--role', ROLE], { platform });
    expect(error).toBe(
      `authority.issuer: expected an https URL that AWS reaches from the internet (docs/issuer.md), got ${issuer}\n`,
    );
    expect([code, out]).toEqual([1, '']);
  });

  it('prints the trust policy of a private cloud for an issuer in the cluster', async () => {
    const issuer = 'https://valetkey-authority.valetkey.svc';
    const platform = S3_PLATFORM.replace('https://issuer.example/prod', issuer);
    expect((await runCli(['trust-policy', '--role', 'agent'], { platform })).code).toBe(0);
  });

  const MINIO_ROLE = 'arn:minio:iam:::role/abc';

  it('prints the settings of MinIO for a MinIO role', async () => {
    const { code, out } = await runCli(['trust-policy', '--role', MINIO_ROLE], {
      platform: S3_PLATFORM,
    });
    expect(out).toContain(
      'MINIO_IDENTITY_OPENID_CONFIG_URL=https://issuer.example/prod/.well-known/openid-configuration\n',
    );
    expect(out).toContain('MINIO_IDENTITY_OPENID_CLIENT_ID=sts.amazonaws.com\n');
    expect(out).not.toContain('aws iam');
    expect(code).toBe(0);
  });

  it.each<readonly [string, readonly string[], string]>([
    [
      'a condition for a MinIO role',
      ['--role', MINIO_ROLE, '--task', 'x'],
      '--task: expected no condition',
    ],
    [
      'a format for a MinIO role',
      ['--role', MINIO_ROLE, '--format', 'terraform'],
      '--format: expected no format',
    ],
    [
      'an account for a role name of a private cloud',
      ['--role', 'agent', '--account', '111122223333'],
      '--account: expected no account, because the role has none',
    ],
  ])('rejects %s', async (_, words, expected) => {
    const { code, error } = await runCli(['trust-policy', ...words], { platform: S3_PLATFORM });
    expect(error).toContain(expected);
    expect(code).toBe(2);
  });

  it('rejects an account other than that of the role ARN', async () => {
    const { code, error } = await runTrustPolicy('--role', ROLE, '--account', '999988887777');
    expect(error).toContain('--account: expected 111122223333, the account of the role');
    expect(code).toBe(2);
  });

  it('rejects trust: cluster', async () => {
    const { code, error } = await runCli(['trust-policy', '--role', ROLE], {
      platform: CLUSTER_PLATFORM,
    });
    expect(error).toContain('trust: expected authority');
    expect(code).toBe(1);
  });
});

describe('issuer export', () => {
  it('writes both documents with the paths of the issuer URL', async () => {
    const { code, out, written } = await runCli(['issuer', 'export', 'public']);
    const { keys } = JSON.parse(written['public/jwks'] ?? '') as { keys: object[] };
    expect(keys).toMatchObject([{ kid: 'key-0' }, { kid: 'key-1' }]);
    expect(JSON.parse(written['public/.well-known/openid-configuration'] ?? '')).toMatchObject({
      issuer: 'https://issuer.example/prod',
      jwks_uri: 'https://issuer.example/prod/jwks',
    });
    expect(Object.keys(written)).toHaveLength(2);
    expect(out).toContain('upload public/jwks to https://issuer.example/prod/jwks\n');
    expect(code).toBe(0);
  });

  it('writes nothing if the authority and the platform settings name different issuers', async () => {
    const platform = PLATFORM.replace('issuer.example/prod', 'issuer.example/next');
    const { code, error, written } = await runCli(['issuer', 'export', 'public'], { platform });
    expect(error).toBe(
      '/.well-known/openid-configuration issuer: expected https://issuer.example/next from the platform settings, got "https://issuer.example/prod"\n',
    );
    expect([code, written]).toEqual([1, {}]);
  });

  it.each([
    [{ keys: 'none' }, '/jwks: expected a key set (RFC 7517)'],
    [{ keys: [{ kid: 'a', alg: 'ES256' }] }, '/jwks keys[0]: expected kid, alg and x5c'],
  ])('rejects an invalid key set: %j', async (document, expected) => {
    const readDocument = () => Promise.resolve(document);
    const { code, error, written } = await runCli(['issuer', 'export', 'x'], {
      cluster: { readDocument },
    });
    expect(error).toContain(expected);
    expect([code, written]).toEqual([1, {}]);
  });
});
