import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { describe, expect, it } from '@jest/globals';

import { formatFieldError } from '../schema/field-error.ts';
import { HELPER_CONTAINERS } from '../contract/names.ts';
import { readPlatform } from './platform-parser.ts';

const readFixture = (name: string): string =>
  readFileSync(join(import.meta.dirname, 'fixtures', name), 'utf8');
const COMMON = 'sidecar: {image: "registry.example/v:1"}\ncloud: {region: eu-central-1}\n';
const ACCOUNTS = "tasks: {accountIds: ['111122223333']}\n";
const MINIMAL = `trust: cluster\n${COMMON}${ACCOUNTS}`;

const listPlatformErrors = (text: string): readonly string[] => {
  const result = readPlatform(text);
  return result.ok ? [] : result.faults.map(formatFieldError);
};

describe('readPlatform', () => {
  it('reads the file that shows every key', () => {
    const platform = readPlatform(readFixture('platform-cluster.yaml'));
    if (!platform.ok) throw new Error(platform.faults.map(formatFieldError).join('\n'));
    expect(platform.value).not.toHaveProperty('authority');
    expect(platform.value).toMatchObject({
      trust: 'cluster',
      sidecar: {
        allowedChanges: { maxResources: { memory: '256Mi', cpu: '1' } },
        imagePullSecrets: ['registry-credentials'],
      },
      cloud: { sourceRestriction: { mode: 'cidrs', cidrs: ['198.51.100.0/24', '2001:db8::/48'] } },
      tasks: { minLifetimeSeconds: 60, maxLifetimeSeconds: 3600, partitions: ['aws'] },
      gateway: {
        maxBodyBytes: 16 * 1024 * 1024,
        bufferBytes: 64 * 1024 * 1024,
        fixedKey: 'off',
        journalLinesPerSecond: 50,
        journalResources: 'hashed',
      },
      pods: {
        allowApiToken: false,
        apiTokenContainers: [
          {
            name: 'wait',
            image: 'quay.io/argoproj/argoexec',
            createdBy: 'system:serviceaccount:argo:argo',
          },
        ],
        baselineNamespaces: ['legacy-agents'],
        ruleExemptions: [{ namespace: 'debugging', rule: '9' }],
        breakGlassGroup: 'oncall',
        strictEnvironment: true,
        otherClouds: 'allow',
        foreignKeys: 'refuse',
        protectedAudiences: ['https://kubernetes.default.svc.example'],
      },
    });
    expect(platform.value.tasks).not.toHaveProperty('minLifetime');
  });

  it('requires an image and a region, and has defaults for all other keys', () => {
    expect(readPlatform(MINIMAL)).toEqual({
      ok: true,
      value: {
        trust: 'cluster',
        sidecar: {
          image: 'registry.example/v:1',
          imagePullPolicy: 'IfNotPresent',
          audience: 'sts.amazonaws.com',
          resources: { memory: '128Mi', cpu: '100m' },
          allowedChanges: { images: [], env: [] },
          imagePullSecrets: [],
        },
        cloud: {
          region: 'eu-central-1',
          allowHttp: false,
          dialect: 'aws',
          sourceRestriction: { mode: 'none' },
        },
        tasks: {
          minLifetimeSeconds: 60,
          maxLifetimeSeconds: 3600,
          delivery: 'vend',
          accountIds: ['111122223333'],
          partitions: [],
          wildcardOnlyActions: false,
          regionWildcards: false,
          accountWildcards: false,
          mintingActions: {},
        },
        gateway: {
          maxBodyBytes: 8 * 1024 * 1024,
          bufferBytes: 32 * 1024 * 1024,
          fixedKey: 'auto',
          journalLinesPerSecond: 200,
          journalResources: 'full',
        },
        policy: { vend: 'free' },
        pods: {
          ignoredContainers: HELPER_CONTAINERS,
          allowApiToken: false,
          apiTokenContainers: [],
          baselineNamespaces: [],
          ruleExemptions: [],
          strictEnvironment: false,
          otherClouds: 'refuse',
          foreignKeys: 'warn',
          protectedAudiences: [],
        },
      },
    });
  });

  it('returns all errors at once, each with its key', () => {
    const faults = listPlatformErrors(`
trust: cluster
sidecar: {imagePullPolicy: Sometimes}
cloud: {region: EU, regoin: x}
tasks: {minLifetime: soon}
`);
    expect(faults.map((fault) => fault.split(':')[0])).toEqual([
      'sidecar.image',
      'sidecar.imagePullPolicy',
      'cloud.regoin',
      'cloud.region',
      'tasks.minLifetime',
    ]);
  });

  it.each([
    ['an image with a tag', "image: 'argoproj/argoexec:v3.7', createdBy: argo"],
    ...[
      'system:serviceaccount:kube-system:job-controller',
      'system:kube-controller-manager',
      'system:serviceaccount:openshift-infra:deploymentconfig-controller',
      'system:node:node-1',
    ].map((user): [string, string] => [
      `a controller that copies templates, ${user}`,
      `image: argoproj/argoexec, createdBy: '${user}'`,
    ]),
    ['no controller', 'image: argoproj/argoexec'],
  ])('refuses a container that keeps the API token with %s', (_, members) => {
    const entry = `${MINIMAL}pods: {apiTokenContainers: [{name: wait, ${members}}]}\n`;
    expect(listPlatformErrors(entry)).toMatchObject([
      expect.stringContaining('pods.apiTokenContainers[0]'),
    ]);
  });

  const documents: [string, string][] = [
    ['a key written twice', `${MINIMAL}trust: cluster\n`],
    ['an alias', 'sidecar: &a {image: x}\ncloud: *a\n'],
    ['a merge key', '<<: {trust: cluster}\n'],
    ['two documents', `${MINIMAL}---\n${MINIMAL}`],
    ['an unknown tag', `${COMMON}trust: !!js cluster\n`],
    ['nothing at all', ''],
    ['a null', `${MINIMAL}pods: {allowApiToken: null}\n`],
    ['an unknown group', `${MINIMAL}extra: {}\n`],
  ];
  it.each(documents)('rejects %s', (_, text) => {
    expect(listPlatformErrors(text)).not.toEqual([]);
  });
});

describe('readPlatform of the cloud group', () => {
  const cloud = (more: string): string =>
    `trust: cluster\nsidecar: {image: x}\ncloud: {region: eu-central-1, ${more}}\n${more.includes('dialect: s3') ? '' : ACCOUNTS}`;
  const refused: [string, string, string][] = [
    ['an http endpoint without leave', 'stsEndpoint: "http://c:1"', 'cloud.stsEndpoint'],
    ['an endpoint with a path', 'stsEndpoint: "https://c/x"', 'cloud.stsEndpoint'],
    ['an endpoint with a user', 'stsEndpoint: "https://u:p@c"', 'cloud.stsEndpoint'],
    ['a private cloud without an endpoint', 'dialect: s3', 'cloud.stsEndpoint'],
    [
      'a VPC in a private cloud',
      'dialect: s3, stsEndpoint: "https://c", sourceRestriction: {mode: vpc, vpcId: vpc-0a1b2c3d}',
      'cloud.sourceRestriction.mode',
    ],
    ['a proxy by https', 'httpsProxy: "https://p:1"', 'cloud.httpsProxy'],
    ['a pattern of hosts without the proxy', 'noProxy: ["*.example"]', 'cloud.noProxy[0]'],
    ['a bundle that is no PEM', 'caBundle: nothing', 'cloud.caBundle'],
    [
      'a bundle of a broken certificate',
      'caBundle: "-----BEGIN CERTIFICATE-----\\nAAAA\\n-----END CERTIFICATE-----"',
      'cloud.caBundle',
    ],
    [
      'an unknown source restriction',
      'sourceRestriction: {mode: host}',
      'cloud.sourceRestriction.mode',
    ],
    [
      'a source restriction with members of another',
      'sourceRestriction: {mode: podIP, cidrs: []}',
      'cloud.sourceRestriction.cidrs',
    ],
    [
      'no CIDR block at all',
      'sourceRestriction: {mode: cidrs, cidrs: []}',
      'cloud.sourceRestriction.cidrs',
    ],
    [
      'an IPv4 block past 32',
      'sourceRestriction: {mode: cidrs, cidrs: [10.0.0.0/33]}',
      'cloud.sourceRestriction.cidrs[0]',
    ],
    [
      'an address past 255',
      'sourceRestriction: {mode: cidrs, cidrs: [10.0.0.256]}',
      'cloud.sourceRestriction.cidrs[0]',
    ],
    [
      'an IPv6 block past 128',
      'sourceRestriction: {mode: cidrs, cidrs: ["::1/129"]}',
      'cloud.sourceRestriction.cidrs[0]',
    ],
    [
      'half an IPv6 address',
      'sourceRestriction: {mode: cidrs, cidrs: ["2001:db8"]}',
      'cloud.sourceRestriction.cidrs[0]',
    ],
  ];
  it.each(refused)('rejects %s', (_, more, path) => {
    expect(listPlatformErrors(cloud(more)).map((fault) => fault.split(':')[0])).toEqual([path]);
  });

  const allowed: [string, string][] = [
    ['an http endpoint with leave', 'stsEndpoint: "http://c:1", allowHttp: true'],
    [
      'an address without a prefix',
      'sourceRestriction: {mode: cidrs, cidrs: [203.0.113.7, "2001:db8::1"]}',
    ],
    ['the pod address', 'sourceRestriction: {mode: podIP}'],
    ['a VPC', 'sourceRestriction: {mode: vpc, vpcId: vpc-0a1b2c3d4e5f67890}'],
    ['a private cloud', 'dialect: s3, stsEndpoint: "https://[2001:db8::1]:8443"'],
  ];
  it.each(allowed)('accepts %s', (_, more) => {
    expect(listPlatformErrors(cloud(more))).toEqual([]);
  });

  it('does not display a value that could be a secret', () => {
    const [fault = ''] = listPlatformErrors(cloud('caBundle: "-----BEGIN PRIVATE KEY-----"'));
    expect(fault).toMatch(/^cloud\.caBundle: /);
  });
});

/** With an account, unless the limits set the accounts themselves. */
const withLimits = (text: string): string => {
  if (!text.startsWith('tasks: {')) return `${MINIMAL}${text}\n`;
  const limits = text.includes('accountIds')
    ? text
    : text.replace('{', "{accountIds: ['111122223333'], ");
  return `trust: cluster\n${COMMON}${limits}\n`;
};

describe('readPlatform of accounts', () => {
  const s3 =
    "trust: cluster\nsidecar: {image: x}\ncloud: {region: a, dialect: s3, stsEndpoint: 'https://c'}\n";

  it.each([
    ['no list', ''],
    ['an empty list', 'tasks: {accountIds: []}\n'],
  ])('rejects %s with dialect aws, and says what to set', (_, text) => {
    const [fault, ...others] = listPlatformErrors(`trust: cluster\n${COMMON}${text}`);
    expect(others).toEqual([]);
    expect(fault).toMatch(/^tasks\.accountIds: expected the accounts of the roles/);
    expect(fault).toContain("['*'] for any");
  });

  it.each([
    [
      'accounts',
      "tasks: {accountIds: ['111122223333']}\n",
      'tasks.accountIds: expected no accounts',
    ],
    [
      'a partition of no role',
      'tasks: {partitions: [minio, vault]}\n',
      'tasks.partitions: expected partitions that roles of cloud.dialect: s3 can have',
    ],
  ])('rejects %s in a private cloud, where every task would be refused', (_, text, fault) => {
    expect(listPlatformErrors(`${s3}${text}`)).toEqual([expect.stringContaining(fault)]);
  });

  it('rejects the partition of MinIO at AWS, and accepts it in a private cloud', () => {
    expect(listPlatformErrors(withLimits('tasks: {partitions: [minio]}'))).toEqual([
      expect.stringContaining('tasks.partitions: expected partitions that roles'),
    ]);
    expect(listPlatformErrors(`${s3}tasks: {partitions: [minio, aws]}\n`)).toEqual([]);
  });

  it('accepts any account if the platform says so, and no list in a private cloud', () => {
    const any = readPlatform(withLimits("tasks: {accountIds: ['*']}"));
    expect(any.ok && any.value.tasks.accountIds).toEqual(['*']);
    expect(listPlatformErrors(s3)).toEqual([]);
  });

  it.each(["['*', '111122223333']", "['1111*']", "['']"])('rejects the accounts %s', (list) => {
    expect(listPlatformErrors(withLimits(`tasks: {accountIds: ${list}}`))).toHaveLength(1);
  });
});

describe('readPlatform of policy.vend', () => {
  const authority = `${MINIMAL.replace('trust: cluster', 'trust: authority')}authority: {endpoint: 'https://a.example', issuer: 'https://i.example', trustDomain: prod.example}\n`;
  const readVend = (text: string): unknown => {
    const result = readPlatform(text);
    return result.ok ? result.value.policy : result.faults;
  };

  it.each(['exception', 'free'])('reads %s under trust: authority', (vend) => {
    expect(readVend(`${authority}policy: {vend: ${vend}}\n`)).toEqual({ vend });
  });

  it('is free in the file of an older chart', () => {
    expect(readVend(authority)).toEqual({ vend: 'free' });
    expect(readVend(MINIMAL)).toEqual({ vend: 'free' });
  });

  it('rejects exception under trust: cluster, which has no policies, and any other value', () => {
    expect(listPlatformErrors(`${MINIMAL}policy: {vend: exception}\n`)).toEqual([
      'policy.vend: expected free, because trust: cluster has no TaskPolicies that could permit an exception; or trust: authority, got "exception"',
    ]);
    expect(listPlatformErrors(`${authority}policy: {vend: never, more: 1}\n`)).toHaveLength(2);
  });
});

describe('readPlatform of limits and allowed changes', () => {
  const refused: [string, string][] = [
    ['a minimum above the maximum', 'tasks: {minLifetime: 2h, maxLifetime: 1h}'],
    ['a lifetime past twelve hours', 'tasks: {maxLifetime: 13h}'],
    ['a lifetime without a unit', 'tasks: {minLifetime: 60}'],
    ['an account id that lost its quotes', 'tasks: {accountIds: [111122223333]}'],
    [
      'a minting wildcard',
      'tasks: {mintingActions: {"arn:aws:iam::111122223333:role/x": ["ecr:*"]}}',
    ],
    ['minting for what is no role', 'tasks: {mintingActions: {x: ["ecr:GetAuthorizationToken"]}}'],
    ['a delivery that does not exist', 'tasks: {delivery: email}'],
    ['settings of the authority', 'authority: {}'],
  ];
  it.each(refused)('rejects %s', (_, text) => {
    expect(listPlatformErrors(withLimits(text))).toHaveLength(1);
  });

  it('accepts lifetimes of seconds, for demonstrations', () => {
    const platform = readPlatform(withLimits('tasks: {minLifetime: 5s}'));
    expect(platform.ok && platform.value.tasks.minLifetimeSeconds).toBe(5);
  });

  const names = [
    'VALETKEY_TASKS',
    'NODE_OPTIONS',
    'LD_PRELOAD',
    'AWS_ROLE_ARN',
    'SSL_CERT_FILE',
    'aws_x',
  ];
  it.each(names)('does not allow other webhooks to set %s on the sidecar', (name) => {
    const text = `trust: cluster\nsidecar: {image: x, allowedChanges: {env: [${name}]}}\ncloud: {region: eu-central-1}\n${ACCOUNTS}`;
    expect(listPlatformErrors(text)).toHaveLength(1);
  });

  it('accepts other images only with a digest', () => {
    const text =
      'trust: cluster\nsidecar: {image: x, allowedChanges: {images: ["m/v:1"]}}\ncloud: {region: eu-central-1}\n' +
      ACCOUNTS;
    expect(listPlatformErrors(text)).toHaveLength(1);
  });
});

describe('readPlatform of the gateway', () => {
  const withCloud = (members: string, rest = ''): string =>
    `trust: cluster\nsidecar: {image: "registry.example/v:1"}\ncloud: {region: eu-central-1, ${members}}\n${ACCOUNTS}${rest}`;

  it('reads regions, endpoints and sizes', () => {
    const members =
      'regions: [eu-central-1, us-east-1], endpoints: [{service: s3, url: "https://s3.example:9000"}, {service: s3, region: us-east-1, url: "https://us.example"}]';
    const result = readPlatform(withCloud(members, 'gateway: {maxBody: 26Mi, buffers: 1Gi}'));
    expect(result).toMatchObject({
      ok: true,
      value: {
        cloud: {
          regions: ['eu-central-1', 'us-east-1'],
          endpoints: [
            { service: 's3', url: 'https://s3.example:9000' },
            { service: 's3', region: 'us-east-1', url: 'https://us.example' },
          ],
        },
        gateway: { maxBodyBytes: 26 * 1024 * 1024, bufferBytes: 1024 * 1024 * 1024 },
      },
    });
  });

  it('accepts signing as the default delivery', () => {
    const text = `trust: cluster\n${COMMON}tasks: {accountIds: ['111122223333'], delivery: sign}\n`;
    expect(readPlatform(text)).toMatchObject({ ok: true, value: { tasks: { delivery: 'sign' } } });
  });

  it('accepts an http endpoint where the platform permits http', () => {
    const members = 'allowHttp: true, endpoints: [{service: s3, url: "http://rgw.example:7480"}]';
    expect(listPlatformErrors(withCloud(members))).toEqual([]);
  });

  it.each([
    ['cloud.regions', 'regions: [us-east-1]'],
    ['cloud.regions', 'regions: []'],
    ['cloud.regions[0]', 'regions: [EU, eu-central-1]'],
    ['cloud.endpoints[0].url', 'endpoints: [{service: s3, url: "http://rgw.example:7480"}]'],
    ['cloud.endpoints[0].url', 'endpoints: [{service: s3, url: "https://s3.example/path"}]'],
    ['cloud.endpoints[0].url', 'endpoints: [{service: s3, url: "https://key@s3.example"}]'],
    ['cloud.endpoints[0].service', 'endpoints: [{service: S3, url: "https://s3.example"}]'],
    [
      'cloud.endpoints[1]',
      'endpoints: [{service: s3, url: "https://a.example"}, {service: s3, url: "https://b.example"}]',
    ],
  ])('rejects %s of {%s}', (path, members) => {
    expect(listPaths(withCloud(members))).toEqual([path]);
  });

  it.each([
    ['gateway.maxBody', '{maxBody: 512Ki}'],
    ['gateway.maxBody', '{maxBody: 27Mi}'],
    ['gateway.maxBody', '{maxBody: 8388608}'],
    ['gateway.maxBody', '{maxBody: large}'],
    ['gateway.buffers', '{buffers: 2Gi}'],
    ['gateway.buffers', '{maxBody: 16Mi, buffers: 8Mi}'],
    ['gateway.fixedKey', '{fixedKey: on}'],
    ['gateway.journalLinesPerSecond', '{journalLinesPerSecond: 0}'],
    ['gateway.journalResources', '{journalResources: none}'],
    ['gateway.maxBodyBytes', '{maxBodyBytes: 8388608}'],
  ])('rejects %s of %s', (path, members) => {
    expect(listPaths(`${MINIMAL}gateway: ${members}\n`)).toEqual([path]);
  });

  const listPaths = (text: string): readonly (string | undefined)[] =>
    listPlatformErrors(text).map((fault) => fault.split(': ')[0]);
});

describe('readPlatform of the pods group', () => {
  const refused: [string, string, string][] = [
    ['a namespace that is none', 'baselineNamespaces: [Legacy]', 'pods.baselineNamespaces[0]'],
    ['a namespace twice', 'baselineNamespaces: [a, a]', 'pods.baselineNamespaces'],
    ['every namespace', 'baselineNamespaces: ["*"]', 'pods.baselineNamespaces[0]'],
    ...['2', '5', '6', '11', '12', '13', '14', ''].map((rule): [string, string, string] => [
      `an exemption for rule "${rule}"`,
      `ruleExemptions: [{namespace: a, rule: "${rule}"}]`,
      'pods.ruleExemptions[0].rule',
    ]),
    [
      'a rule that lost its quotes',
      'ruleExemptions: [{namespace: a, rule: 4}]',
      'pods.ruleExemptions[0].rule',
    ],
    [
      'an exemption everywhere',
      'ruleExemptions: [{rule: "4"}]',
      'pods.ruleExemptions[0].namespace',
    ],
    [
      'an exemption twice',
      'ruleExemptions: [{namespace: a, rule: "4"}, {rule: "4", namespace: a}]',
      'pods.ruleExemptions',
    ],
    ...[
      'system:authenticated',
      'system:unauthenticated',
      'system:serviceaccounts',
      'system:serviceaccounts:research',
      '',
      'on call',
    ].map((group): [string, string, string] => [
      `the break-glass group "${group}"`,
      `breakGlassGroup: "${group}"`,
      'pods.breakGlassGroup',
    ]),
    ['a third choice for other clouds', 'otherClouds: warn', 'pods.otherClouds'],
    ['a third choice for keys of services', 'foreignKeys: allow', 'pods.foreignKeys'],
    ['an empty audience', 'protectedAudiences: [""]', 'pods.protectedAudiences[0]'],
  ];
  it.each(refused)('rejects %s', (_, more, path) => {
    expect(
      listPlatformErrors(`${MINIMAL}pods: {${more}}\n`).map((fault) => fault.split(':')[0]),
    ).toEqual([path]);
  });

  it('lists the rules that can be exempted', () => {
    expect(
      listPlatformErrors(`${MINIMAL}pods: {ruleExemptions: [{namespace: a, rule: '2'}]}\n`),
    ).toEqual([
      `pods.ruleExemptions[0].rule: expected the ID of a rule that can be exempted, as a string ('1', '3', '4', '7', '8', '9', '10'), got "2"`,
    ]);
  });
});

describe('readPlatform under trust: authority', () => {
  const needed = 'endpoint: "https://a.example", issuer: "https://i.example/x", trustDomain: td.x';
  const authority = (more = ''): string => `${COMMON}${ACCOUNTS}authority: {${needed}${more}}\n`;

  it('reads the file that shows every key', () => {
    const platform = readPlatform(readFixture('platform.yaml'));
    if (!platform.ok) throw new Error(platform.faults.map(formatFieldError).join('\n'));
    expect(platform.value).toMatchObject({
      trust: 'authority',
      sidecar: { audience: 'authority.prod.example' },
      authority: {
        endpoint: 'https://valetkey-authority.valetkey.svc:9445',
        issuer: 'https://issuer.example/prod',
        tagParams: ['customer'],
        users: {
          issuers: [{ issuer: 'https://login.example/', audience: 'valetkey' }],
          maxTokenLifetimeSeconds: 300,
        },
        disconnectTimeoutSeconds: 120,
        policyMaxStalenessSeconds: 300,
        delegableRoles: ['arn:aws:iam::111122223333:role/agent-reports', 'github', 'orders/reader'],
        approvals: {
          ...{
            lifetimeSeconds: 600,
            holdSeconds: 20,
            separateDuties: true,
            requireSeparation: true,
          },
          notify: { url: 'https://hooks.example/approvals', secretName: 'approval-webhook' },
        },
        canaries: ['arn:aws:s3:::acme-payroll/*', 'https://api.example.com/admin/*'],
        signals: { transmitters: [{ issuer: 'https://events.example', audience: 'valetkey' }] },
        denyList: { roles: ['arn:aws:iam::111122223333:role/agent-reports'] },
        publisher: { bucket: 'acme-issuer', prefix: 'prod' },
        auditExport: { bucket: 'acme-audit', prefix: 'prod', region: 'eu-west-1' },
      },
    });
  });

  it('requires endpoint, issuer and trust domain, and has defaults for all other keys', () => {
    const faults = listPlatformErrors(COMMON + ACCOUNTS).map((fault) => fault.split(':')[0]);
    expect(faults).toEqual(['authority.endpoint', 'authority.issuer', 'authority.trustDomain']);
    const platform = readPlatform(authority());
    if (!platform.ok) throw new Error(platform.faults.map(formatFieldError).join('\n'));
    expect(platform.value.trust).toBe('authority');
    expect(platform.value.sidecar.audience).toBe('authority.valetkey.dev');
    expect(platform.value.authority).toEqual({
      endpoint: 'https://a.example',
      issuer: 'https://i.example/x',
      trustDomain: 'td.x',
      cloudAudience: 'sts.amazonaws.com',
      algorithm: 'ES256',
      tagParams: [],
      users: { issuers: [], maxTokenLifetimeSeconds: 300 },
      policyMaxStalenessSeconds: 300,
      delegableRoles: [],
      approvals: {
        lifetimeSeconds: 900,
        holdSeconds: 0,
        separateDuties: false,
        requireSeparation: false,
      },
      canaries: [],
      signals: { transmitters: [] },
    });
  });

  const refused: [string, string, string][] = [
    ['an endpoint by http', 'endpoint: "http://a"', 'authority.endpoint'],
    ['an endpoint with a slash at its end', 'endpoint: "https://a/"', 'authority.endpoint'],
    ['an endpoint with a path', 'endpoint: "https://a/b"', 'authority.endpoint'],
    ['an issuer by http', 'issuer: "http://i"', 'authority.issuer'],
    ['an issuer with a slash at its end', 'issuer: "https://i/x/"', 'authority.issuer'],
    ['an issuer with a query', 'issuer: "https://i/x?y"', 'authority.issuer'],
    ['an issuer too long for IAM', `issuer: "https://i/${'x'.repeat(250)}"`, 'authority.issuer'],
    ['a trust domain with capitals', 'trustDomain: Prod', 'authority.trustDomain'],
    ['a trust domain with a slash', 'trustDomain: a/b', 'authority.trustDomain'],
    ['an empty trust domain', 'trustDomain: ""', 'authority.trustDomain'],
    ['another algorithm', 'algorithm: HS256', 'authority.algorithm'],
    ['a tag that is no param', 'tagParams: ["a b"]', 'authority.tagParams[0]'],
    ['a tag twice', 'tagParams: [a, a]', 'authority.tagParams'],
    [
      'a lifetime of approvals over one hour',
      'approvals: {lifetime: 61m}',
      'authority.approvals.lifetime',
    ],
    ['a wait for approvals over 20 seconds', 'approvals: {hold: 21s}', 'authority.approvals.hold'],
    [
      'a word for separateDuties',
      'approvals: {separateDuties: "yes"}',
      'authority.approvals.separateDuties',
    ],
    ['a delegable role of no form', 'delegableRoles: ["*"]', 'authority.delegableRoles[0]'],
    ['a delegable role twice', 'delegableRoles: [github, github]', 'authority.delegableRoles'],
    [
      'a name in Kubernetes from another claim',
      'users: {issuers: [{issuer: "https://i", jwksUri: "https://i/k", audience: a, kubernetesName: {claim: upn, prefix: ""}}]}',
      'authority.users.issuers[0].kubernetesName.claim',
    ],
    [
      'a webhook by http',
      'approvals: {notify: {url: "http://hooks.example", secretName: a}}',
      'authority.approvals.notify.url',
    ],
    ...['*', 'arn:aws:s3:::*', 'arn:*', 'https://*/x', 'https://api.example.com/'].map(
      (pattern): [string, string, string] => [
        `the canary ${pattern}`,
        `canaries: ["${pattern}"]`,
        'authority.canaries[0]',
      ],
    ),
    [
      'a transmitter of signals twice',
      'signals: {transmitters: [{issuer: "https://l", jwksUri: "https://l/k", audience: x}, {issuer: "https://l", jwksUri: "https://l/j", audience: y}]}',
      'authority.signals.transmitters',
    ],
    [
      'keys of a transmitter by http',
      'signals: {transmitters: [{issuer: "https://l", jwksUri: "http://l/k", audience: x}]}',
      'authority.signals.transmitters[0].jwksUri',
    ],
    ['an unknown key', 'audience: x', 'authority.audience'],
    [
      'a disconnect timeout shorter than two heartbeats',
      'disconnectTimeout: 5s',
      'authority.disconnectTimeout',
    ],
    [
      'human tokens for a cloud',
      'users: {issuers: [{issuer: "https://l", jwksUri: "https://l/k", audience: sts.amazonaws.com}]}',
      'authority.users.issuers[0].audience',
    ],
    [
      'keys of humans by http',
      'users: {issuers: [{issuer: "https://l", jwksUri: "http://l/k", audience: x}]}',
      'authority.users.issuers[0].jwksUri',
    ],
    [
      'an issuer of humans twice',
      'users: {issuers: [{issuer: "https://l", jwksUri: "https://l/k", audience: x}, {issuer: "https://l", jwksUri: "https://l/k", audience: y}]}',
      'authority.users.issuers',
    ],
    [
      'a deny list for no role',
      'denyList: {revokerRole: "arn:aws:iam::111122223333:role/r", roles: []}',
      'authority.denyList.roles',
    ],
    [
      'an IAM endpoint by http',
      'denyList: {revokerRole: "arn:aws:iam::111122223333:role/r", iamEndpoint: "http://x", roles: ["arn:aws:iam::111122223333:role/a"]}',
      'authority.denyList.iamEndpoint',
    ],
    [
      'a prefix with slashes at its ends',
      'publisher: {role: "arn:aws:iam::111122223333:role/p", bucket: abc, prefix: /x}',
      'authority.publisher.prefix',
    ],
    [
      'an http endpoint of the audit export without allowHttp',
      'auditExport: {role: "arn:aws:iam::111122223333:role/p", bucket: abc, endpoint: "http://x"}',
      'authority.auditExport.endpoint',
    ],
    ['an audit export without a role', 'auditExport: {bucket: abc}', 'authority.auditExport.role'],
  ];
  it.each(refused)('rejects %s', (_, more, path) => {
    const [name = ''] = more.split(':');
    const others = needed.split(', ').filter((each) => !each.startsWith(`${name}:`));
    const text = `${COMMON}${ACCOUNTS}authority: {${[...others, more].join(', ')}}\n`;
    expect(listPlatformErrors(text).map((fault) => fault.split(':')[0])).toEqual([path]);
  });

  it.each(['sts.amazonaws.com', 'STS.amazonaws.com', 'https://iam.googleapis.com/projects/1'])(
    'the token may not be for %s: a cloud takes that',
    (audience) => {
      const text = authority().replace('image:', `audience: "${audience}", image:`);
      expect(listPlatformErrors(text)).toContainEqual(
        expect.stringMatching(/^sidecar\.audience: /),
      );
    },
  );

  it('requires different audiences for grants and tokens', () => {
    const text = authority(', cloudAudience: authority.valetkey.dev');
    expect(listPlatformErrors(text)).toEqual([
      expect.stringMatching(/^authority\.cloudAudience: /),
    ]);
  });

  it("requires a private cloud's endpoints wherever the authority calls it", () => {
    const role = 'arn:aws:iam:::role/r';
    const more = `, denyList: {revokerRole: "${role}", roles: ["${role}"]}, publisher: {role: "${role}", bucket: abc}, auditExport: {role: "${role}", bucket: abc}`;
    const text = authority(more)
      .replace('region:', 'dialect: s3, stsEndpoint: "https://c", region:')
      .replace(ACCOUNTS, '');
    expect(listPlatformErrors(text).map((fault) => fault.split(':')[0])).toEqual([
      'authority.denyList.iamEndpoint',
      'authority.publisher.s3Endpoint',
      'authority.auditExport.endpoint',
    ]);
  });

  it.each([
    ['aws', 'dialect: aws', 'arn:minio:iam:::role/r', 'arn:aws:iam::111122223333:role/r'],
    [
      's3',
      'dialect: s3, stsEndpoint: "https://c"',
      'arn:aws:iam::111122223333:role/r',
      'arn:minio:iam:::role/r',
    ],
  ])('rejects roles of the other cloud in dialect %s', (_, cloud, other, own) => {
    const listFaults = (role: string): readonly string[] => {
      const more = `, denyList: {revokerRole: "${role}", iamEndpoint: "https://c", roles: ["${role}"]}, publisher: {role: "${role}", bucket: abc, s3Endpoint: "https://c"}`;
      const text = authority(more)
        .replace('region:', `${cloud}, region:`)
        .replace(
          "accountIds: ['111122223333']",
          cloud.includes('s3') ? '' : "accountIds: ['111122223333']",
        )
        .replace(
          'tasks: {',
          `tasks: {mintingActions: {"${role}": ["ecr:GetAuthorizationToken"]}, `,
        );
      return listPlatformErrors(text).map((fault) => fault.split(':')[0] ?? '');
    };
    expect(listFaults(own)).toEqual([]);
    expect(listFaults(other)).toEqual([
      'tasks.mintingActions',
      'authority.denyList.revokerRole',
      'authority.denyList.roles[0]',
      'authority.publisher.role',
    ]);
  });

  it('rejects any other trust', () => {
    expect(listPlatformErrors(`${authority()}trust: everyone\n`)).toEqual([
      'trust: expected one of authority, cluster, got "everyone"',
    ]);
  });
});
