import { SECRETS_NAMESPACE, type ChartCase, type ChartRejection } from './chart-case.ts';

const STATEFUL_SET = 'StatefulSet/valetkey-authority';
const POD = 'spec.template.spec';
const POLICY = 'NetworkPolicy/valetkey-authority';
const VALIDATING = 'ValidatingWebhookConfiguration/valetkey';

export const AUTHORITY_OBJECTS = [
  'ClusterRole/valetkey-approver',
  'ClusterRole/valetkey-authority',
  'ClusterRoleBinding/valetkey-authority',
  'ClusterRoleBinding/valetkey-authority-issuer-discovery',
  'ConfigMap/valetkey-audit-heads',
  'ConfigMap/valetkey-authority-trust-bundle',
  'NetworkPolicy/valetkey-authority',
  'PodDisruptionBudget/valetkey-authority',
  'Role/valetkey-authority',
  'RoleBinding/valetkey-authority',
  'Secret/valetkey-authority-audit',
  'Secret/valetkey-authority-ca',
  'Secret/valetkey-authority-keys',
  'Service/valetkey-authority',
  'ServiceAccount/valetkey-authority',
  STATEFUL_SET,
  'TaskPolicy/valetkey-starter',
  'ValidatingAdmissionPolicy/valetkey-approval-requests',
  'ValidatingAdmissionPolicy/valetkey-approvals',
  'ValidatingAdmissionPolicy/valetkey-revocations',
  'ValidatingAdmissionPolicy/valetkey-tokens',
  'ValidatingAdmissionPolicyBinding/valetkey-approval-requests',
  'ValidatingAdmissionPolicyBinding/valetkey-approvals',
  'ValidatingAdmissionPolicyBinding/valetkey-revocations',
  'ValidatingAdmissionPolicyBinding/valetkey-tokens',
];

/** A rule that permits reading one object of the core group. */
const CORE = { apiGroups: [''], verbs: ['get'] };

const buildRoleKey = (name: string): string => `arn:aws:iam::111122223333:role/${name}`;
/** Of a private cloud. */
const buildPrivateRole = (name: string): string => `arn:aws:iam:::role/${name}`;

const buildTcpPorts = (ports: readonly number[]) =>
  ports.map((port) => ({ port, protocol: 'TCP' }));

/** Cases of `trust` and of the group `authority`. */
export const AUTHORITY_CASES: readonly ChartCase[] = [
  {
    name: 'trust: cluster',
    values: { trust: 'cluster' },
    removes: AUTHORITY_OBJECTS,
    fields: [
      ['Platform', 'trust', 'cluster'],
      ['Platform', 'authority', undefined],
      ['Platform', 'sidecar.audience', 'sts.amazonaws.com'],
      [VALIDATING, 'webhooks.length', 2],
      ['ClusterRole/valetkey-webhook', 'rules.length', 4],
      // Without this right no namespace can use migration mode, because its labels cannot be read.
      ['ClusterRole/valetkey-webhook', 'rules[3]', { ...CORE, resources: ['namespaces'] }],
    ],
    notes: ['the cloud trust this cluster for audience sts.amazonaws.com', 'with limits'],
  },
  {
    name: 'a custom issuer, and all settings of the authority',
    values: {
      authority: {
        issuer: 'https://issuer.example/valetkey',
        trustDomain: 'prod.example',
        cloudAudience: 'grants.example',
        algorithm: 'RS256',
        tagParams: ['customer'],
        users: {
          issuers: [
            {
              issuer: 'https://login.example',
              jwksUri: 'https://login.example/keys',
              audience: 'valetkey',
              kubernetesName: { claim: 'email', prefix: 'oidc:' },
            },
          ],
          maxTokenLifetime: '10m',
        },
        approvals: { requireSeparation: true },
        canaries: ['arn:aws:s3:::acme-payroll/*'],
        signals: {
          transmitters: [
            {
              issuer: 'https://events.example',
              jwksUri: 'https://events.example:8445/keys',
              audience: 'valetkey',
            },
          ],
        },
        disconnectTimeout: '2m',
        policyMaxStaleness: '1m',
        delegableRoles: ['github'],
        denyList: {
          revokerRole: buildRoleKey('revoker'),
          iamEndpoint: 'https://rgw.example',
          roles: [buildRoleKey('agent-reports')],
        },
        publisher: {
          role: buildRoleKey('publisher'),
          bucket: 'issuer-documents',
          prefix: 'valetkey',
        },
        audit: { export: { bucket: 'audit-files', prefix: 'prod', region: 'eu-west-1' } },
      },
    },
    fields: [
      ['Platform', 'authority.issuer', 'https://issuer.example/valetkey'],
      ['Platform', 'authority.endpoint', 'https://valetkey-authority.valetkey.svc'],
      ['Platform', 'authority.trustDomain', 'prod.example'],
      ['Platform', 'authority.cloudAudience', 'grants.example'],
      ['Platform', 'authority.algorithm', 'RS256'],
      ['Platform', 'authority.tagParams', ['customer']],
      ['Platform', 'authority.users.issuers[0].issuer', 'https://login.example'],
      ['Platform', 'authority.users.issuers[0].kubernetesName.prefix', 'oidc:'],
      ['Platform', 'authority.users.maxTokenLifetimeSeconds', 600],
      ['Platform', 'authority.approvals.requireSeparation', true],
      ['Platform', 'authority.disconnectTimeoutSeconds', 120],
      ['Platform', 'authority.policyMaxStalenessSeconds', 60],
      ['Platform', 'authority.delegableRoles', ['github']],
      ['Platform', 'authority.denyList.revokerRole', buildRoleKey('revoker')],
      ['Platform', 'authority.denyList.roles', [buildRoleKey('agent-reports')]],
      ['Platform', 'authority.publisher.bucket', 'issuer-documents'],
      [
        'Platform',
        'authority.auditExport',
        {
          role: buildRoleKey('publisher'),
          bucket: 'audit-files',
          prefix: 'prod',
          region: 'eu-west-1',
        },
      ],
    ],
    notes: ['https://issuer.example/valetkey'],
  },
  {
    name: 'a namespace of secrets of Upstreams, and the way to the servers that issue them',
    values: {
      authority: { secrets: { namespace: SECRETS_NAMESPACE } },
      networkPolicies: {
        authority: { upstreams: { ports: [443, 8200], cidrs: ['192.0.2.0/24'] } },
      },
    },
    adds: ['Role/valetkey-authority-upstreams', 'RoleBinding/valetkey-authority-upstreams'],
    fields: [
      ['Role/valetkey-authority-upstreams', 'metadata.namespace', SECRETS_NAMESPACE],
      ['Role/valetkey-authority-upstreams', 'rules', [{ ...CORE, resources: ['secrets'] }]],
      ['RoleBinding/valetkey-authority-upstreams', 'metadata.namespace', SECRETS_NAMESPACE],
      ['RoleBinding/valetkey-authority-upstreams', 'subjects[0].namespace', 'valetkey'],
      [POLICY, 'spec.egress[2].ports', buildTcpPorts([443, 8200])],
      [POLICY, 'spec.egress[2].to', [{ ipBlock: { cidr: '192.0.2.0/24' } }]],
    ],
  },
  {
    name: 'a webhook of approvals, and the way to it',
    values: {
      authority: {
        secrets: { namespace: SECRETS_NAMESPACE },
        approvals: {
          notify: { url: 'https://hooks.example:8443/approvals', secretName: 'approval-webhook' },
        },
      },
      networkPolicies: { authority: { notify: { cidrs: ['192.0.2.7/32'] } } },
    },
    adds: ['Role/valetkey-authority-upstreams', 'RoleBinding/valetkey-authority-upstreams'],
    fields: [
      [
        'Platform',
        'authority.approvals.notify',
        { url: 'https://hooks.example:8443/approvals', secretName: 'approval-webhook' },
      ],
      [POLICY, 'spec.egress[2].ports', buildTcpPorts([8443])],
      [POLICY, 'spec.egress[2].to', [{ ipBlock: { cidr: '192.0.2.7/32' } }]],
    ],
  },
  {
    name: 'a service account that is checked at each run, as at admission',
    values: { trust: 'authority' },
    fields: [
      [
        'ClusterRole/valetkey-authority',
        'rules[2]',
        { apiGroups: [''], resources: ['serviceaccounts'], verbs: ['get'] },
      ],
    ],
  },
  {
    name: 'custom limits, and ignored pod addresses',
    values: { authority: { tuning: { podAddresses: 'ignore', podRate: 5 } } },
    fields: [
      [
        STATEFUL_SET,
        `${POD}.containers[0].env[16]`,
        { name: 'VALETKEY_POD_ADDRESSES', value: 'ignore' },
      ],
      [STATEFUL_SET, `${POD}.containers[0].env[17]`, { name: 'VALETKEY_POD_RATE', value: '5' }],
    ],
  },
  {
    name: 'an issuer in the cluster, for a private cloud in the cluster',
    values: {
      cloud: { dialect: 's3', stsEndpoint: 'https://minio.example' },
      authority: { issuer: '' },
    },
    fields: [['Platform', 'authority.issuer', 'https://valetkey-authority.valetkey.svc']],
  },
  {
    name: 'a custom token audience',
    values: { sidecar: { audience: 'keys.example' } },
    fields: [['Platform', 'sidecar.audience', 'keys.example']],
  },
  {
    name: 'no starter policy',
    values: { policy: { starter: { enabled: false } } },
    removes: ['TaskPolicy/valetkey-starter'],
  },
  {
    name: 'one replica of the authority',
    values: { authority: { replicas: 1 } },
    removes: ['PodDisruptionBudget/valetkey-authority'],
    fields: [[STATEFUL_SET, 'spec.replicas', 1]],
  },
  {
    name: 'audit records on a volume with a storage class',
    values: { authority: { audit: { file: { size: '5Gi', storageClassName: 'fast' } } } },
    fields: [
      [STATEFUL_SET, 'spec.volumeClaimTemplates[0].spec.storageClassName', 'fast'],
      [
        STATEFUL_SET,
        'spec.volumeClaimTemplates[0].spec.resources',
        { requests: { storage: '5Gi' } },
      ],
      [STATEFUL_SET, `${POD}.volumes.length`, 1],
    ],
  },
  {
    name: 'the claim template as the API server stores it',
    values: {},
    fields: [
      [STATEFUL_SET, 'spec.volumeClaimTemplates[0].apiVersion', 'v1'],
      [STATEFUL_SET, 'spec.volumeClaimTemplates[0].kind', 'PersistentVolumeClaim'],
    ],
  },
  {
    name: 'a resized volume, whose claim template stays as it was',
    values: { authority: { audit: { file: { size: '5Gi', claimSize: '1Gi' } } } },
    fields: [
      [
        STATEFUL_SET,
        'spec.volumeClaimTemplates[0].spec.resources',
        { requests: { storage: '1Gi' } },
      ],
      [
        STATEFUL_SET,
        `${POD}.containers[0].env[10]`,
        { name: 'VALETKEY_AUDIT_VOLUME_SIZE', value: '5Gi' },
      ],
    ],
  },
  {
    name: 'records that are removed by size and age',
    values: { authority: { audit: { file: { size: '5Gi', maxBytes: '3Gi', retain: '90d' } } } },
    fields: [
      ...[
        ['VALETKEY_AUDIT_VOLUME_SIZE', '5Gi'],
        ['VALETKEY_AUDIT_MAX_BYTES', '3Gi'],
        ['VALETKEY_AUDIT_RETAIN', '90d'],
      ].map(
        ([name, value], index) =>
          [STATEFUL_SET, `${POD}.containers[0].env[${index + 10}]`, { name, value }] as const,
      ),
    ],
  },
  {
    name: 'audit records on an emptyDir',
    values: { authority: { audit: { file: { persistent: false } } } },
    fields: [
      [STATEFUL_SET, 'spec.volumeClaimTemplates', undefined],
      [STATEFUL_SET, `${POD}.volumes[1].emptyDir`, { sizeLimit: '1Gi' }],
    ],
  },
  {
    name: 'audit records on standard output only',
    values: { authority: { audit: { file: { enabled: false } } } },
    fields: [
      [STATEFUL_SET, 'spec.volumeClaimTemplates', undefined],
      [STATEFUL_SET, `${POD}.containers[0].volumeMounts.length`, 1],
    ],
  },
  {
    name: 'the default NetworkPolicy of the authority',
    values: {},
    fields: [
      [POLICY, 'spec.podSelector.matchLabels[app.kubernetes.io/component]', 'authority'],
      [POLICY, 'spec.policyTypes', ['Ingress', 'Egress']],
      [POLICY, 'spec.ingress', [{ ports: [{ port: 9445, protocol: 'TCP' }] }]],
      [POLICY, 'spec.egress.length', 3],
      [POLICY, 'spec.egress[0]', { ports: [443, 6443].map((port) => ({ port, protocol: 'TCP' })) }],
      [POLICY, 'spec.egress[1]', { ports: [{ port: 443, protocol: 'TCP' }] }],
      [
        POLICY,
        'spec.egress[2]',
        { ports: ['UDP', 'TCP'].map((protocol) => ({ port: 53, protocol })) },
      ],
    ],
  },
  {
    name: 'no NetworkPolicy for the authority',
    values: { networkPolicies: { authority: { enabled: false } } },
    removes: [POLICY],
  },
  {
    name: 'sources of the authority, and the address of its cloud',
    values: {
      networkPolicies: {
        authority: {
          from: [{ namespaceSelector: {} }],
          telemetryFrom: [{ namespaceSelector: { matchLabels: { team: 'observability' } } }],
          cloud: { ports: [7480], cidrs: ['192.0.2.0/24'] },
          apiServer: { ports: [6443], cidrs: ['10.0.0.1/32'] },
        },
      },
    },
    fields: [
      [POLICY, 'spec.ingress[0].from', [{ namespaceSelector: {} }]],
      [POLICY, 'spec.ingress[1].ports', [{ port: 9446, protocol: 'TCP' }]],
      [POLICY, 'spec.egress[0].to', [{ ipBlock: { cidr: '10.0.0.1/32' } }]],
      [POLICY, 'spec.egress[1].ports', buildTcpPorts([443, 7480])],
      [POLICY, 'spec.egress[1].to', [{ ipBlock: { cidr: '192.0.2.0/24' } }]],
    ],
  },
  {
    name: 'egress to the port of a private cloud only',
    values: {
      cloud: { dialect: 's3', stsEndpoint: 'https://minio.example:9000' },
      authority: { issuer: '' },
    },
    fields: [[POLICY, 'spec.egress[1].ports', buildTcpPorts([9000])]],
  },
  {
    name: 'egress to the port of every endpoint that the authority calls',
    values: {
      cloud: { dialect: 's3', stsEndpoint: 'http://rgw.example', allowHttp: true },
      authority: {
        issuer: 'https://issuer.example:8443/prod',
        denyList: {
          revokerRole: buildPrivateRole('revoker'),
          iamEndpoint: 'https://[2001:db8::1]:7443',
          roles: [buildPrivateRole('agent-reports')],
        },
        publisher: {
          role: buildPrivateRole('publisher'),
          bucket: 'issuer-documents',
          s3Endpoint: 'https://s3.example/',
        },
        audit: { export: { bucket: 'audit-files', endpoint: 'https://s3.example:9443' } },
        users: {
          issuers: [
            {
              issuer: 'https://login.example',
              jwksUri: 'https://login.example:8444/keys',
              audience: 'valetkey',
            },
          ],
        },
      },
    },
    fields: [[POLICY, 'spec.egress[1].ports', buildTcpPorts([80, 7443, 443, 9443, 8443, 8444])]],
  },
  {
    name: 'egress to the proxy instead of the endpoints of the cloud',
    values: {
      cloud: {
        dialect: 's3',
        stsEndpoint: 'https://minio.example:9000',
        httpsProxy: 'http://proxy.example:3128',
      },
      authority: { issuer: 'https://valetkey-authority.valetkey.svc' },
    },
    fields: [[POLICY, 'spec.egress[1].ports', buildTcpPorts([3128])]],
  },
  {
    name: 'egress to the proxy, and to endpoints that may be reached without it',
    values: {
      cloud: {
        dialect: 's3',
        stsEndpoint: 'https://minio.example:9000',
        httpsProxy: 'http://proxy.example:3128',
        noProxy: ['minio.example'],
      },
      authority: { issuer: 'https://valetkey-authority.valetkey.svc' },
    },
    fields: [[POLICY, 'spec.egress[1].ports', buildTcpPorts([3128, 9000])]],
  },
];

export const AUTHORITY_REJECTIONS: readonly ChartRejection[] = [
  {
    name: 'an unknown limit',
    values: { authority: { tuning: { kubeconfig: '/x' } } },
    names: 'kubeconfig',
  },
  { name: 'an issuer without TLS', values: { authority: { issuer: 'http://x' } }, names: 'issuer' },
  {
    name: 'an issuer with a trailing slash',
    values: { authority: { issuer: 'https://x/' } },
    names: 'issuer',
  },
  ...[
    '',
    'https://valetkey-authority.valetkey.svc',
    'https://valetkey-authority.valetkey.svc.cluster.local:8443/x',
    'https://issuer',
    'https://10.0.0.1/prod',
  ].map((issuer) => ({
    name: `an issuer that AWS cannot reach: ${issuer || 'none'}`,
    values: { authority: { issuer } },
    names: 'authority.issuer: expected an https URL that AWS reaches',
  })),
  ...[
    {
      denyList: {
        revokerRole: buildRoleKey('x'),
        roles: [buildRoleKey('y')],
        iamEndpoint: 'http://x',
      },
    },
    { publisher: { role: buildRoleKey('x'), bucket: 'issuer', s3Endpoint: 'http://x' } },
    {
      publisher: { role: buildRoleKey('x') },
      audit: { export: { bucket: 'audit', endpoint: 'http://x' } },
    },
  ].map((authority) => ({
    name: `http without permission: ${Object.keys(authority).join()}`,
    values: { authority },
    names: 'ndpoint: expected an https endpoint, or cloud.allowHttp: true, got http://x',
  })),
  {
    name: 'a user issuer without a JWKS URI',
    values: { authority: { users: { issuers: [{ issuer: 'https://x', audience: 'a' }] } } },
    names: 'jwksUri',
  },
  {
    name: 'a canary that every agent touches',
    values: { authority: { canaries: ['arn:aws:s3:::*'] } },
    names: 'canaries',
  },
  {
    name: 'a transmitter of signals without an audience',
    values: {
      authority: {
        signals: { transmitters: [{ issuer: 'https://x', jwksUri: 'https://x/keys' }] },
      },
    },
    names: 'audience',
  },
  {
    name: 'a webhook of approvals without TLS',
    values: { authority: { approvals: { notify: { url: 'http://hooks.example' } } } },
    names: 'url',
  },
  {
    name: 'a webhook of approvals without a key',
    values: { authority: { approvals: { notify: { url: 'https://hooks.example' } } } },
    names: 'authority.approvals.notify.secretName: expected the Secret',
  },
  {
    name: 'a webhook of approvals without the namespace of its key',
    values: {
      authority: { approvals: { notify: { url: 'https://hooks.example', secretName: 'hook' } } },
    },
    names: 'authority.secrets.namespace: expected the namespace of the Secret hook',
  },
  {
    name: 'a deny list without a revoker role',
    values: { authority: { denyList: { roles: [buildRoleKey('x')] } } },
    names: 'revokerRole',
  },
  {
    name: 'a role ARN with an empty path segment',
    values: { authority: { publisher: { bucket: 'x', role: buildRoleKey('a//b') } } },
    names: 'role',
  },
  {
    name: 'an age of records that is no duration',
    values: { authority: { audit: { file: { retain: 'long' } } } },
    names: 'retain',
  },
  {
    name: 'a bucket without a publisher role',
    values: { authority: { publisher: { bucket: 'issuer-documents' } } },
    names: 'role',
  },
  {
    name: 'an export of audit files without a publisher role',
    values: { authority: { audit: { export: { bucket: 'audit-files' } } } },
    names: 'authority.publisher.role: expected the role',
  },
  {
    name: 'an export of audit files to the public bucket of documents',
    values: {
      authority: {
        publisher: { role: buildRoleKey('p'), bucket: 'issuer' },
        audit: { export: { bucket: 'issuer' } },
      },
    },
    names: 'authority.audit.export.bucket: expected another bucket',
  },
  {
    name: 'an export of audit files without files',
    values: {
      authority: {
        publisher: { role: buildRoleKey('p') },
        audit: { file: { enabled: false }, export: { bucket: 'audit-files' } },
      },
    },
    names: 'authority.audit.file.enabled: expected true',
  },
];
