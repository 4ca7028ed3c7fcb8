import { checkRoleDialect, requireRoleArn } from '../schema/arn.ts';
import { formatValue, type FieldError } from '../schema/field-error.ts';
import { isCloudAudience } from './audiences.ts';
import type { PlatformFile } from './platform-schema.ts';

type AuthorityFile = NonNullable<PlatformFile['authority']>;
type Check = { readonly holds: boolean; readonly path: string; readonly expected: string };

/** Checks across keys under `trust: authority`. Each error names the key to change. */
export const checkAuthoritySettings = ({
  authority,
  sidecar,
  cloud,
}: PlatformFile): FieldError[] => {
  if (authority === undefined) return [];
  const { audience } = sidecar;
  const { cloudAudience, denyList, publisher, auditExport } = authority;
  const values = {
    'sidecar.audience': audience,
    'authority.cloudAudience': cloudAudience,
    'authority.denyList.iamEndpoint': denyList?.iamEndpoint,
    'authority.publisher.s3Endpoint': publisher?.s3Endpoint,
    'authority.auditExport.endpoint': auditExport?.endpoint,
  };
  const checks: readonly (Check & { readonly path: keyof typeof values })[] = [
    {
      holds: !isCloudAudience(audience),
      path: 'sidecar.audience',
      expected: 'an audience that no cloud accepts (trust: authority)',
    },
    {
      holds: cloudAudience.toLowerCase() !== audience.toLowerCase(),
      path: 'authority.cloudAudience',
      expected: "an audience other than the sidecar's, because no cloud may accept that one",
    },
    ...buildEndpointChecks('authority.denyList.iamEndpoint', {
      isUsed: denyList !== undefined,
      cloud,
      url: denyList?.iamEndpoint,
    }),
    ...buildEndpointChecks('authority.publisher.s3Endpoint', {
      isUsed: publisher !== undefined,
      cloud,
      url: publisher?.s3Endpoint,
    }),
    ...buildEndpointChecks('authority.auditExport.endpoint', {
      isUsed: auditExport !== undefined,
      cloud,
      url: auditExport?.endpoint,
    }),
  ];
  return [
    ...checks
      .filter(({ holds }) => !holds)
      .map(({ path, expected }) => ({ path, expected, got: formatValue(values[path]) })),
    ...checkRoles(authority, cloud.dialect),
  ];
};

/** Roles that the authority itself uses are of the same cloud as those of tasks. */
const checkRoles = (
  { denyList, publisher }: AuthorityFile,
  dialect: PlatformFile['cloud']['dialect'],
): readonly FieldError[] => {
  const roles: readonly (readonly [path: string, role: string | undefined])[] = [
    ['authority.denyList.revokerRole', denyList?.revokerRole],
    ...(denyList?.roles ?? []).map(
      (role, index) => [`authority.denyList.roles[${index}]`, role] as const,
    ),
    ['authority.publisher.role', publisher?.role],
  ];
  return roles.flatMap(([path, role]) => {
    const expected =
      role === undefined ? undefined : checkRoleDialect(requireRoleArn(role), dialect);
    return expected === undefined ? [] : [{ path, expected, got: formatValue(role) }];
  });
};

/** The same checks as for `cloud.stsEndpoint`. */
const buildEndpointChecks = <P extends string>(
  path: P,
  {
    isUsed,
    cloud,
    url,
  }: { isUsed: boolean; cloud: PlatformFile['cloud']; url: string | undefined },
): (Check & { readonly path: P })[] => [
  {
    holds: cloud.allowHttp || url?.startsWith('http:') !== true,
    path,
    expected: 'an https endpoint, or cloud.allowHttp: true',
  },
  {
    holds: !isUsed || cloud.dialect === 'aws' || url !== undefined,
    path,
    expected: 'the endpoint of the private cloud (dialect: s3)',
  },
];
