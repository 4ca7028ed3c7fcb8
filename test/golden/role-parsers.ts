import { resolveRoleArn } from '../../cmd/kubectl-valetkey/role-arn.ts';
import { readParameters } from '../fakes/cloud/sts/parameters.ts';
import { readCloudCalls } from '../../lib/audit/cloud-log.ts';
import { readPlatform } from '../../lib/config/platform-parser.ts';
import type { CloudSettings, TaskLimits } from '../../lib/contract/platform.ts';
import { formatCredentials } from '../../lib/runs/rendering.ts';
import { toTerraform, buildTrustPolicy } from '../../lib/grant/trust-policy.ts';
import { authorityPlatform, platform } from '../../lib/injection/fixtures/sample-platform.ts';
import { read } from '../../lib/schema/reader.ts';
import { roleArn } from '../../lib/schema/arn.ts';
import { createRoleReader } from '../../lib/task/role.ts';

/** The answer, or that there was none. */
export const attempt = <T>(call: () => T): T | 'throws' => {
  try {
    return call();
  } catch {
    return 'throws';
  }
};

const limits = { ...platform.tasks, accountIds: [] };
const isRole = (text: string, dialect: CloudSettings['dialect'], more: Partial<TaskLimits> = {}) =>
  read(
    createRoleReader(
      { ...limits, ...(dialect === 'aws' && { accountIds: ['*'] }), ...more },
      dialect,
    ),
    text,
  ).ok;

const issuer = {
  issuer: 'https://issuer.example/prod',
  cloudAudience: 'sts.amazonaws.com',
  trustDomain: 'prod.example',
};

const captureTrustPolicy = (role: string) => {
  const trusted = { namespaces: [], tags: {} };
  const request = { issuer, dialect: 'aws', role, trusted, thumbprints: [] } as const;
  const { Statement } = buildTrustPolicy(request) as {
    readonly Statement: readonly { readonly Principal: object }[];
  };
  const lines = toTerraform(request).split('\n');
  return [
    Statement[0]?.Principal,
    ...lines.filter((line) => /^ {2}(name|path) |_role" /.test(line)),
  ];
};

const captureAccount = (role: string): unknown => {
  const keys = { accessKeyId: 'A', secretAccessKey: 'S', sessionToken: 'T' };
  const rendered = formatCredentials({ keys, expiresAt: 0, role }).toString();
  return (JSON.parse(rendered) as { readonly AccountId?: string }).AccountId;
};

const captureForm = (role: string): URLSearchParams =>
  new URLSearchParams({
    ...{ Action: 'AssumeRoleWithWebIdentity', Version: '2011-06-15', RoleArn: role },
    ...{ RoleSessionName: 'pod@run', WebIdentityToken: 'a.b.c' },
  });

const captureSession = (arn: string): string | undefined =>
  readCloudCalls(JSON.stringify({ eventTime: '2026-01-01T00:00:00Z', userIdentity: { arn } }))[0]
    ?.session;

const isPlatformRole = (role: string): boolean =>
  readPlatform(
    JSON.stringify({
      ...{ trust: 'cluster', sidecar: { image: 'a:1' }, cloud: { region: 'eu-central-1' } },
      tasks: { accountIds: ['111122223333'], mintingActions: { [role]: ['sts:AssumeRole'] } },
    }),
  ).ok;

const s3 = { ...platform, cloud: { ...platform.cloud, dialect: 's3' as const } };
const account = '444455556666';

/** One string through every reader of roles, side by side. */
export const readRole = (text: string): object => ({
  taskForm: read(roleArn, text).ok,
  taskAws: isRole(text, 'aws'),
  taskS3: isRole(text, 's3'),
  taskOneAccount: isRole(text, 's3', { accountIds: ['111122223333'] }),
  taskOnePartition: isRole(text, 's3', { partitions: ['aws-cn', 'minio'] }),
  platformMinting: isPlatformRole(text),
  cliAws: attempt(() => resolveRoleArn({ role: text }, platform)),
  cliAwsAccount: attempt(() => resolveRoleArn({ role: text, account }, authorityPlatform)),
  cliS3: attempt(() => resolveRoleArn({ role: text }, s3)),
  trust: attempt(() => captureTrustPolicy(text)),
  renderedAccount: captureAccount(text),
  cloudTrailSession: captureSession(text),
  fakeSts: attempt(() => readParameters(captureForm(text)).roleArn) !== 'throws',
});
