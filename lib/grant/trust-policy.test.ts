import { execFileSync } from 'node:child_process';

import { describe, expect, test } from '@jest/globals';

import { toAwsCommands, toTerraform, buildTrustPolicy, type TrustRequest } from './trust-policy.ts';

const request: TrustRequest = {
  issuer: {
    issuer: 'https://issuer.example/valetkey',
    cloudAudience: 'sts.amazonaws.com',
    trustDomain: 'example.org',
  },
  dialect: 'aws',
  role: 'arn:aws:iam::111122223333:role/agents/reports',
  trusted: { namespaces: ['research'], serviceAccount: 'agent', task: 'summarize', tags: {} },
  thumbprints: [],
};
const sub = 'issuer.example/valetkey:sub';
const aud = 'issuer.example/valetkey:aud';

const buildCondition = (changed: Partial<TrustRequest>): unknown =>
  (buildTrustPolicy({ ...request, ...changed }) as { Statement: [{ Condition: unknown }] })
    .Statement[0].Condition;

/** What a shell makes of the commands: each word of each line. */
const splitShellWords = (commands: string): string[][] =>
  commands
    .trim()
    .split('\n')
    .map((line) =>
      execFileSync('sh', ['-c', `printf '%s\\n' ${line}`], { encoding: 'utf8' })
        .trimEnd()
        .split('\n'),
    );

describe('a trust policy', () => {
  test('trusts the grants of one task, with their tags and source identity', () => {
    expect(buildTrustPolicy(request)).toEqual({
      Version: '2012-10-17',
      Statement: [
        {
          Effect: 'Allow',
          Principal: {
            Federated: 'arn:aws:iam::111122223333:oidc-provider/issuer.example/valetkey',
          },
          Action: ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession', 'sts:SetSourceIdentity'],
          Condition: {
            StringEquals: {
              [aud]: 'sts.amazonaws.com',
              [sub]: ['spiffe://example.org/ns/research/sa/agent/task/summarize'],
            },
          },
        },
      ],
    });
  });

  test('asks a private cloud for no source identity, which it does not know', () => {
    expect(buildTrustPolicy({ ...request, dialect: 's3' })).toMatchObject({
      Statement: [{ Action: ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession'] }],
    });
  });

  test('names several namespaces, any account and any task, and tags', () => {
    const trusted = { namespaces: ['a', 'b'], tags: { 'valetkey-param-customer': 'acme' } };
    expect(buildCondition({ trusted })).toEqual({
      StringEquals: {
        [aud]: 'sts.amazonaws.com',
        'aws:RequestTag/valetkey-param-customer': 'acme',
      },
      StringLike: {
        [sub]: ['spiffe://example.org/ns/a/sa/*/task/*', 'spiffe://example.org/ns/b/sa/*/task/*'],
      },
    });
  });

  test('never goes without a subject of our trust domain', () => {
    expect(buildCondition({ trusted: { namespaces: [], tags: {} } })).toMatchObject({
      StringLike: { [sub]: ['spiffe://example.org/ns/*/sa/*/task/*'] },
    });
  });

  test("of the authority's own roles trusts the authority, and nothing that it signs for others", () => {
    const policy = buildTrustPolicy({ ...request, trusted: 'authority' });
    expect(policy).toMatchObject({
      Statement: [
        {
          Action: ['sts:AssumeRoleWithWebIdentity'],
          Condition: { StringEquals: { [sub]: 'spiffe://example.org/authority' } },
        },
      ],
    });
  });
});

describe('the aws commands', () => {
  test('are words that a shell takes apart as they were meant', () => {
    const trusted = { namespaces: ['a'], tags: { team: "o'neil $(id)" } };
    const told = { ...request, trusted, thumbprints: ['ab', 'cd'] };
    const [provider, role] = splitShellWords(toAwsCommands(told));
    expect(provider?.join(' ')).toBe(
      'aws iam create-open-id-connect-provider --url https://issuer.example/valetkey --client-id-list sts.amazonaws.com --thumbprint-list ab cd',
    );
    expect(role?.slice(0, -1).join(' ')).toBe(
      'aws iam create-role --role-name reports --path /agents/ --assume-role-policy-document',
    );
    expect(JSON.parse(role?.at(-1) ?? '')).toEqual(buildTrustPolicy(told));
  });

  test('have an ARN without an account for Ceph RGW', () => {
    const commands = toAwsCommands({ ...request, role: 'arn:aws:iam:::role/reports' });
    expect(commands).toContain('arn:aws:iam:::oidc-provider/issuer.example/valetkey');
    expect(commands).not.toContain('--path');
  });
});

describe('the Terraform', () => {
  test('has the provider and the role, which refers to it', () => {
    expect(toTerraform({ ...request, thumbprints: ['ab'] })).toBe(`\
resource "aws_iam_openid_connect_provider" "valetkey" {
  url             = "https://issuer.example/valetkey"
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["ab"]
}

resource "aws_iam_role" "reports" {
  name               = "reports"
  path               = "/agents/"
  assume_role_policy = <<-JSON
    {
      "Version": "2012-10-17",
      "Statement": [
        {
          "Effect": "Allow",
          "Principal": {
            "Federated": "\${aws_iam_openid_connect_provider.valetkey.arn}"
          },
          "Action": [
            "sts:AssumeRoleWithWebIdentity",
            "sts:TagSession",
            "sts:SetSourceIdentity"
          ],
          "Condition": {
            "StringEquals": {
              "issuer.example/valetkey:aud": "sts.amazonaws.com",
              "issuer.example/valetkey:sub": [
                "spiffe://example.org/ns/research/sa/agent/task/summarize"
              ]
            }
          }
        }
      ]
    }
  JSON
}
`);
  });

  test('reads nothing that it was given as a template of its own', () => {
    const trusted = { namespaces: ['a'], tags: { team: '${path.root}%{if}' } };
    const text = toTerraform({ ...request, trusted });
    expect(text).toContain('"$${path.root}%%{if}"');
  });
});
