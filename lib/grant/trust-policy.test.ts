import { execFileSync } from 'node:child_process';

import { describe, expect, it } from '@jest/globals';

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

describe('buildTrustPolicy', () => {
  it('trusts grants of one task with tags and source identity', () => {
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

  it('omits source identity for a private cloud', () => {
    expect(buildTrustPolicy({ ...request, dialect: 's3' })).toMatchObject({
      Statement: [{ Action: ['sts:AssumeRoleWithWebIdentity', 'sts:TagSession'] }],
    });
  });

  it('supports several namespaces, any service account, any task and tags', () => {
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

  it('always restricts the subject to the trust domain', () => {
    expect(buildCondition({ trusted: { namespaces: [], tags: {} } })).toMatchObject({
      StringLike: { [sub]: ['spiffe://example.org/ns/*/sa/*/task/*'] },
    });
  });

  it("trusts only the authority itself for the authority's own roles", () => {
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

describe('toAwsCommands', () => {
  it('quotes words for a shell', () => {
    const trusted = { namespaces: ['a'], tags: { team: "o'neil $(id)" } };
    const trustRequest = { ...request, trusted, thumbprints: ['ab', 'cd'] };
    const [provider, role] = splitShellWords(toAwsCommands(trustRequest));
    expect(provider?.join(' ')).toBe(
      'aws iam create-open-id-connect-provider --url https://issuer.example/valetkey --client-id-list sts.amazonaws.com --thumbprint-list ab cd',
    );
    expect(role?.slice(0, -1).join(' ')).toBe(
      'aws iam create-role --role-name reports --path /agents/ --assume-role-policy-document',
    );
    expect(JSON.parse(role?.at(-1) ?? '')).toEqual(buildTrustPolicy(trustRequest));
  });

  it('uses an ARN without an account for Ceph RGW', () => {
    const commands = toAwsCommands({ ...request, role: 'arn:aws:iam:::role/reports' });
    expect(commands).toContain('arn:aws:iam:::oidc-provider/issuer.example/valetkey');
    expect(commands).not.toContain('--path');
  });
});

describe('toTerraform', () => {
  it('renders the provider and a role that refers to it', () => {
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

  it('escapes template markers in values', () => {
    const trusted = { namespaces: ['a'], tags: { team: '${path.root}%{if}' } };
    const text = toTerraform({ ...request, trusted });
    expect(text).toContain('"$${path.root}%%{if}"');
  });
});
