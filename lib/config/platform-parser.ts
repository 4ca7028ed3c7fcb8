import { parseDocument, visit } from 'yaml';

import {
  ANY_ACCOUNT,
  type AuthoritySettings,
  type CloudEndpoint,
  type Platform,
} from '../contract/platform.ts';
import { fail, formatValue, succeed, type FieldError, type Result } from '../schema/field-error.ts';
import { checkRoleDialect, isRolePartition, requireRoleArn } from '../schema/arn.ts';
import { read } from '../schema/reader.ts';
import { checkAuthoritySettings } from './authority-settings-checks.ts';
import { platformSchema, type PlatformFile } from './platform-schema.ts';

/**
 * Reads the platform's settings: one YAML document with the keys of {@link Platform}, except that
 * durations are written as `minLifetime: 1m` and sizes as `maxBody: 8Mi`. Required are `sidecar.image`, `cloud.region`
 * and, under `trust: authority`, `authority.endpoint`, `authority.issuer` and
 * `authority.trustDomain`; under `trust: cluster` there is no group `authority`.
 * `fixtures/platform*.yaml` show every key.
 *
 * ```yaml
 * trust: authority                         # authority | cluster
 * sidecar:
 *   image: registry.example/valetkey:0.1.0
 *   imagePullPolicy: IfNotPresent          # Always | IfNotPresent | Never
 *   audience: authority.valetkey.dev       # trust: cluster: sts.amazonaws.com
 *   resources: {memory: 128Mi, cpu: 100m}
 *   allowedChanges: {images: [], env: [], maxResources: {memory: 256Mi, cpu: "1"}}
 *   imagePullSecrets: []                   # added to pods that do not name them
 *   tracing: {endpoint: …, samplerRatio: 0.1} # omitted: sidecars send no spans
 * cloud:
 *   region: eu-central-1
 *   regions: [eu-central-1]                # that the gateway signs for; omitted: region alone
 *   endpoints: []                          # {service: s3, region: eu-central-1, url: https://…} of the gateway
 *   stsEndpoint: https://sts.example:8443  # omitted: AWS's own, regional
 *   allowHttp: false
 *   caBundle: <PEM>                        # omitted: the public authorities
 *   httpsProxy: http://proxy.example:3128  # omitted: none
 *   noProxy: [.internal.example]           # omitted: every host of https by the proxy
 *   dialect: aws                           # aws | s3
 *   sourceRestriction: {mode: none}                     # none | podIP | cidrs (cidrs: […]) | vpc (vpcId: vpc-…)
 * tasks:
 *   minLifetime: 1m
 *   maxLifetime: 1h
 *   delivery: vend                         # vend | sign, for tasks that omit it
 *   accountIds: ['111122223333']           # ['*']: any; empty with dialect: s3, and only there
 *   partitions: []                         # empty: any
 *   wildcardOnlyActions: false
 *   regionWildcards: false
 *   accountWildcards: false
 *   mintingActions: {}                     # role ARN: [service:Action]
 * gateway:                                 # of tasks with delivery: sign
 *   maxBody: 8Mi                           # 1Mi to 26Mi
 *   buffers: 32Mi                          # 1Mi to 1024Mi, at least maxBody
 *   fixedKey: auto                         # auto | off
 *   journalLinesPerSecond: 200
 *   journalResources: full                 # full | hashed
 * policy:
 *   vend: free                             # exception | free; exception requires trust: authority
 * pods:
 *   ignoredContainers: [istio-proxy, …]    # omitted: those of known meshes and controllers
 *   allowApiToken: false
 *   apiTokenContainers: []                 # {name, image, createdBy}: keep the API token
 *   baselineNamespaces: []                 # must meet level baseline of rule 4
 *   ruleExemptions: []                     # {namespace, rule}: violations are warnings there
 *   breakGlassGroup: oncall                # omitted: no one adds ephemeral containers
 *   strictEnvironment: false               # true: refuse AWS_PROFILE in consumers instead of a warning
 *   otherClouds: refuse                    # allow: credentials of Azure and Google, with a warning
 *   foreignKeys: warn                      # refuse: keys of HTTP APIs and databases refuse the pod
 *   protectedAudiences: []                 # in addition to the built-in ones
 * authority:
 *   endpoint: https://valetkey-authority.valetkey.svc
 *   issuer: https://valetkey.example/prod
 *   trustDomain: prod.example
 *   cloudAudience: sts.amazonaws.com
 *   algorithm: ES256                       # ES256 | RS256
 *   tagParams: []
 *   users:
 *     issuers: []                          # {issuer, jwksUri, audience, caBundle: <PEM>,
 *                                          #  kubernetesName: {claim: sub | email, prefix: 'oidc:'}}
 *     maxTokenLifetime: 5m
 *   disconnectTimeout: 2m                         # omitted: runs end at their deadline
 *   policyMaxStaleness: 5m
 *   delegableRoles: []                     # of tasks that runs of other roles may delegate to
 *   approvals: {lifetime: 15m, hold: 0s, separateDuties: false, requireSeparation: false,
 *              notify: {url: https://…, secretName: hook, caBundle: <PEM>}}   # omitted: no webhook
 *   canaries: []                           # arn:aws:s3:::acme-payroll/*, https://api.example.com/admin/*
 *   signals: {transmitters: []}            # {issuer, jwksUri, audience, caBundle: <PEM>}
 *   denyList: {revokerRole: arn:…, iamEndpoint: https://…, roles: [arn:…]}           # omitted: none
 *   publisher: {role: arn:…, bucket: issuer, prefix: '', s3Endpoint: https://…}    # omitted: none
 *   auditExport: {role: arn:…, bucket: audit, prefix: '', endpoint: https://…, region: eu-central-1} # omitted: none
 * ```
 *
 * Unknown and duplicate keys, anchors and nulls are rejected. All errors are returned at once.
 */
export const readPlatform = (yamlText: string): Result<Platform> => {
  const plain = parseYaml(yamlText);
  if (!plain.ok) return plain;
  const found = read(platformSchema, plain.value);
  if (!found.ok) return found;
  const errors = checkKeyCombinations(found.value);
  return errors.length > 0 ? fail(errors) : succeed(buildPlatform(found.value));
};

const parseYaml = (text: string): Result<unknown> => {
  const document = parseDocument(text, { strict: true, uniqueKeys: true, merge: false });
  const problems: YamlProblem[] = [...document.errors, ...document.warnings];
  visit(document, { Alias: (_, { source }) => void problems.push(toAliasProblem(source)) });
  return problems.length > 0 ? fail(problems.map(toFieldError)) : succeed(document.toJS());
};

type YamlProblem = { readonly message: string };

const toAliasProblem = (name: string): YamlProblem => ({ message: `the alias *${name}` });

const toFieldError = ({ message }: YamlProblem): FieldError => ({
  path: '(document)',
  expected: 'one strict YAML document without anchors and custom tags',
  got: message.split('\n')[0] ?? '',
});

/** Checks across keys. Each error names the key to change. */
const checkKeyCombinations = (file: PlatformFile): FieldError[] => {
  const { cloud, tasks, policy } = file;
  const faults: FieldError[] = [];
  const { stsEndpoint, allowHttp, dialect, sourceRestriction } = cloud;
  const expect = (holds: boolean, path: string, expected: string, value: unknown): void => {
    if (!holds) faults.push({ path, expected, got: formatValue(value) });
  };
  expect(
    allowHttp || !stsEndpoint?.startsWith('http:'),
    'cloud.stsEndpoint',
    'an https endpoint, or cloud.allowHttp: true',
    stsEndpoint,
  );
  expect(
    dialect === 'aws' || stsEndpoint !== undefined,
    'cloud.stsEndpoint',
    'the endpoint of the private cloud (dialect: s3)',
    stsEndpoint,
  );
  expect(
    dialect === 'aws' || sourceRestriction.mode !== 'vpc',
    'cloud.sourceRestriction.mode',
    'none, podIP or cidrs (dialect s3 has no VPC)',
    sourceRestriction.mode,
  );
  expect(
    tasks.minLifetime <= tasks.maxLifetime,
    'tasks.minLifetime',
    `at most tasks.maxLifetime (${tasks.maxLifetime}s)`,
    `${tasks.minLifetime}s`,
  );
  expect(
    dialect === 's3' || tasks.accountIds.length > 0,
    'tasks.accountIds',
    `the accounts of the roles that tasks may name, such as ['111122223333'], or ['${ANY_ACCOUNT}'] for any: a role in an account of others that trusts the issuer can receive your data`,
    tasks.accountIds,
  );
  expect(
    !tasks.accountIds.includes(ANY_ACCOUNT) || tasks.accountIds.length === 1,
    'tasks.accountIds',
    `'${ANY_ACCOUNT}' alone, or accounts of 12 digits`,
    tasks.accountIds,
  );
  expect(
    policy.vend === 'free' || file.authority !== undefined,
    'policy.vend',
    'free, because trust: cluster has no TaskPolicies that could permit an exception; or trust: authority',
    policy.vend,
  );
  expect(
    dialect === 'aws' || tasks.accountIds.every((each) => each === ANY_ACCOUNT),
    'tasks.accountIds',
    'no accounts with cloud.dialect: s3, whose roles have none: remove them, or every task is refused',
    tasks.accountIds,
  );
  expect(
    tasks.partitions.every((each) => isRolePartition(each, dialect)),
    'tasks.partitions',
    `partitions that roles of cloud.dialect: ${dialect} can have: ${dialect === 'aws' ? 'aws or aws-…' : 'aws, aws-… or minio'}`,
    tasks.partitions,
  );
  for (const role of Object.keys(tasks.mintingActions)) {
    const expected = checkRoleDialect(requireRoleArn(role), dialect);
    expect(expected === undefined, 'tasks.mintingActions', expected ?? '', role);
  }
  return [...faults, ...checkGatewaySettings(file), ...checkAuthoritySettings(file)];
};

const checkGatewaySettings = ({ cloud, gateway }: PlatformFile): readonly FieldError[] => {
  const { region, regions = [region], endpoints = [], allowHttp } = cloud;
  const { maxBody, buffers } = gateway;
  return [
    ...(regions.includes(region)
      ? []
      : [
          {
            path: 'cloud.regions',
            expected: `a list with cloud.region (${region}), which consumers use unless they set another`,
            got: formatValue(regions),
          },
        ]),
    ...endpoints.flatMap((endpoint, index) => [
      ...(allowHttp || !endpoint.url.startsWith('http:')
        ? []
        : [
            {
              path: `cloud.endpoints[${index}].url`,
              expected: 'an https endpoint, or cloud.allowHttp: true',
              got: formatValue(endpoint.url),
            },
          ]),
      ...checkSameEndpoint(endpoints, index),
    ]),
    ...(buffers < maxBody
      ? [
          {
            path: 'gateway.buffers',
            expected: `at least gateway.maxBody (${maxBody} bytes)`,
            got: `${buffers} bytes`,
          },
        ]
      : []),
  ];
};

/** Of two entries for the same requests, one would be ignored. */
const checkSameEndpoint = (
  endpoints: readonly CloudEndpoint[],
  index: number,
): readonly FieldError[] => {
  const { service = '', region = '' } = endpoints[index] ?? {};
  const isRepeated = endpoints
    .slice(0, index)
    .some((earlier) => earlier.service === service && (earlier.region ?? '') === region);
  if (!isRepeated) return [];
  const got =
    region === '' ? `a second one for ${service}` : `a second one for ${service} in ${region}`;
  const expected = 'one entry for each service and region';
  return [{ path: `cloud.endpoints[${index}]`, expected, got }];
};

const buildPlatform = ({
  sidecar,
  cloud,
  tasks,
  gateway,
  policy,
  pods,
  authority,
}: PlatformFile): Platform => {
  const { minLifetime, maxLifetime, ...limits } = tasks;
  const { maxBody, buffers, ...journal } = gateway;
  return {
    trust: authority === undefined ? 'cluster' : 'authority',
    sidecar,
    cloud,
    tasks: {
      ...limits,
      minLifetimeSeconds: minLifetime,
      maxLifetimeSeconds: maxLifetime,
    },
    gateway: { maxBodyBytes: maxBody, bufferBytes: buffers, ...journal },
    policy,
    pods,
    ...(authority && { authority: buildAuthoritySettings(authority) }),
  };
};

const buildAuthoritySettings = (
  authority: NonNullable<PlatformFile['authority']>,
): AuthoritySettings => {
  const { users, disconnectTimeout, policyMaxStaleness, approvals, ...rest } = authority;
  const { lifetime, hold, ...duties } = approvals;
  const { issuers, maxTokenLifetime } = users;
  return {
    ...rest,
    users: { issuers, maxTokenLifetimeSeconds: maxTokenLifetime },
    policyMaxStalenessSeconds: policyMaxStaleness,
    approvals: { ...duties, lifetimeSeconds: lifetime, holdSeconds: hold },
    ...(disconnectTimeout !== undefined && { disconnectTimeoutSeconds: disconnectTimeout }),
  };
};
