import type { AuthoritySettings, CloudSettings } from '../contract/platform.ts';
import { requireRoleArn } from '../schema/arn.ts';
import { buildAuthoritySpiffeId, buildSpiffeId } from './spiffe-id.ts';

/** The tasks whose grants a role trusts; an absent member matches any value. */
export type TrustedTasks = {
  /** Empty: any namespace. */
  readonly namespaces: readonly string[];
  readonly serviceAccount?: string;
  readonly task?: string;
  /** Session tag → value that the grant must have. */
  readonly tags: Readonly<Record<string, string>>;
};

export type TrustRequest = {
  readonly issuer: Pick<AuthoritySettings, 'issuer' | 'cloudAudience' | 'trustDomain'>;
  /** Ceph RGW 16 rejects policies with unknown actions and has no source identity. */
  readonly dialect: CloudSettings['dialect'];
  /** Validated role ARN; on Ceph RGW without an account. */
  readonly role: string;
  /** `authority`: one of the authority's own two roles. */
  readonly trusted: TrustedTasks | 'authority';
  /** SHA-1, hex, of the certificates of published keys: required by Ceph RGW, not by AWS. */
  readonly thumbprints: readonly string[];
};

type Condition = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

/** ARN of the IAM provider of the issuer, in the partition and account of the role. */
const buildProviderArn = ({ role, issuer }: Pick<TrustRequest, 'role' | 'issuer'>): string => {
  const { partition, account } = requireRoleArn(role);
  return `arn:${partition}:iam::${account}:oidc-provider/${stripScheme(issuer)}`;
};

/**
 * Builds the trust policy of a role (IAM user guide, "Creating a role for OpenID Connect federation"): it
 * accepts grants of this issuer for this audience and these subjects. It also allows session tags and
 * source identity in the same call.
 */
export const buildTrustPolicy = (
  request: TrustRequest,
  provider = buildProviderArn(request),
): object => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Federated: provider },
      Action: listActions(request),
      Condition: buildConditions(request),
    },
  ],
});

/** Renders provider, role and trust policy as `aws` commands for a POSIX shell, one a line. */
export const toAwsCommands = (request: TrustRequest): string => {
  const { issuer, role, thumbprints } = request;
  const listed = thumbprints.length === 0 ? [] : ['--thumbprint-list', ...thumbprints];
  const create = ['aws', 'iam', 'create-open-id-connect-provider', '--url', issuer.issuer];
  const trust = JSON.stringify(buildTrustPolicy(request));
  const { name, path } = requireRoleArn(role);
  const at = path === '/' ? [] : ['--path', path];
  const commands = [
    [...create, '--client-id-list', issuer.cloudAudience, ...listed],
    [
      'aws',
      'iam',
      'create-role',
      '--role-name',
      name,
      ...at,
      '--assume-role-policy-document',
      trust,
    ],
  ];
  return commands.map((words) => `${words.map(quoteShellWord).join(' ')}\n`).join('');
};

/** Renders provider, role and trust policy as Terraform (provider `hashicorp/aws`). */
export const toTerraform = (request: TrustRequest): string => {
  const { issuer, role, thumbprints } = request;
  const { name, path } = requireRoleArn(role);
  const trust = JSON.stringify(buildTrustPolicy(request, PROVIDER_PLACEHOLDER), null, 2);
  const reference = '${aws_iam_openid_connect_provider.valetkey.arn}';
  const document = escapeHclTemplates(trust).replace(PROVIDER_PLACEHOLDER, () => reference);
  return [
    'resource "aws_iam_openid_connect_provider" "valetkey" {',
    `  url             = ${quoteHcl(issuer.issuer)}`,
    `  client_id_list  = [${quoteHcl(issuer.cloudAudience)}]`,
    ...(thumbprints.length === 0
      ? []
      : [`  thumbprint_list = [${thumbprints.map(quoteHcl).join(', ')}]`]),
    '}',
    '',
    `resource "aws_iam_role" ${quoteHcl(name.replace(/[^\w-]/g, '_'))} {`,
    `  name               = ${quoteHcl(name)}`,
    ...(path === '/' ? [] : [`  path               = ${quoteHcl(path)}`]),
    '  assume_role_policy = <<-JSON',
    ...document.split('\n').map((line) => `    ${line}`),
    '  JSON',
    '}',
    '',
  ].join('\n');
};

/**
 * Renders the environment of a MinIO server that accepts grants of the issuer. MinIO has no trust policies:
 * the one role of an issuer accepts every grant, and its policy limits all of them.
 */
export const toMinioSettings = ({ issuer }: Pick<TrustRequest, 'issuer'>): string =>
  [
    '# Start the authority first: MinIO reads the keys of the issuer when it starts.',
    `MINIO_IDENTITY_OPENID_CONFIG_URL=${issuer.issuer}/.well-known/openid-configuration`,
    `MINIO_IDENTITY_OPENID_CLIENT_ID=${issuer.cloudAudience}`,
    '# A policy of MinIO that permits what all tasks together may do.',
    'MINIO_IDENTITY_OPENID_ROLE_POLICY=valetkey',
    '# MinIO prints the ARN of the role when it starts: tasks name it.',
    '',
  ].join('\n');

/** Placeholder of the provider's ARN; replaced by a Terraform reference. */
const PROVIDER_PLACEHOLDER = 'PROVIDER-ARN';

const listActions = ({ trusted, dialect }: TrustRequest): readonly string[] => [
  'sts:AssumeRoleWithWebIdentity',
  ...(trusted === 'authority' ? [] : ['sts:TagSession']),
  ...(trusted === 'authority' || dialect === 's3' ? [] : ['sts:SetSourceIdentity']),
];

const buildConditions = ({ issuer, trusted }: TrustRequest): Condition => {
  const key = (claim: string): string => `${stripScheme(issuer)}:${claim}`;
  const audience = { [key('aud')]: issuer.cloudAudience };
  if (trusted === 'authority') {
    return {
      StringEquals: { ...audience, [key('sub')]: buildAuthoritySpiffeId(issuer.trustDomain) },
    };
  }
  const subjects = listSubjects(trusted, issuer.trustDomain);
  const isExact = subjects.every((subject) => !subject.includes('*'));
  const tags = Object.entries(trusted.tags).map(
    ([tag, value]) => [`aws:RequestTag/${tag}`, value] as const,
  );
  const sub = { [key('sub')]: subjects };
  return {
    StringEquals: { ...audience, ...(isExact ? sub : {}), ...Object.fromEntries(tags) },
    ...(isExact ? {} : { StringLike: sub }),
  };
};

/** Names contain no slash, so a `*` matches one part only. */
const listSubjects = (
  { namespaces, serviceAccount = '*', task = '*' }: TrustedTasks,
  trustDomain: string,
): readonly string[] =>
  (namespaces.length === 0 ? ['*'] : namespaces).map((namespace) =>
    buildSpiffeId({ trustDomain, namespace, serviceAccount, task }),
  );

const stripScheme = ({ issuer }: TrustRequest['issuer']): string =>
  issuer.replace(/^https?:\/\//, '');

/** Quotes one word for a POSIX shell. */
const quoteShellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;

/** Quotes an HCL string: JSON escapes, and template markers are escaped. */
const quoteHcl = (text: string): string => escapeHclTemplates(JSON.stringify(text));

const escapeHclTemplates = (text: string): string =>
  text.replace(/[$%](?=\{)/g, (sign) => sign + sign);
