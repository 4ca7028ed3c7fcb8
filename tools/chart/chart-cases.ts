import { WEBHOOK_ENV } from '../../lib/contract/environment.ts';
import { NEW_INSTALLATION } from '../../lib/contract/platform.ts';
import {
  AUTHORITY_CASES as authority,
  AUTHORITY_OBJECTS,
  AUTHORITY_REJECTIONS,
} from './authority-cases.ts';
import type { ChartCase, ChartRejection } from './chart-case.ts';
import { DISCOVERY_CASES, DISCOVERY_REJECTIONS } from './discovery-cases.ts';
import { AGENTS_POLICY } from './invariants.ts';
import { POD_CASES, POD_REJECTIONS } from './pod-cases.ts';
import { WORKLOAD_CASES, WORKLOAD_REJECTIONS } from './workload-cases.ts';

const DEPLOYMENT = 'Deployment/valetkey-webhook';
const POD = 'spec.template.spec';
const POLICY = 'NetworkPolicy/valetkey-webhook';
const MUTATING = 'MutatingWebhookConfiguration/valetkey';
const ROLE = 'Role/valetkey-webhook';
const CLUSTER_ROLE = 'ClusterRole/valetkey-webhook';
const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;
const INJECT = 'metadata.annotations[cert-manager.io/inject-ca-from]';

const ARGO_WAIT = {
  name: 'wait',
  image: 'registry.example:5000/argoproj/argoexec',
  createdBy: 'system:serviceaccount:argo:argo',
};

const deliveryCases: readonly ChartCase[] = [
  {
    name: 'sign, and vend by exception',
    values: { tasks: { delivery: 'sign' }, policy: { vend: 'exception' } },
    fields: [
      ['Platform', 'tasks.delivery', 'sign'],
      ['Platform', 'policy.vend', 'exception'],
    ],
  },
  {
    name: 'vend by any permit',
    values: { tasks: { delivery: 'vend' }, policy: { vend: 'free' } },
    fields: [
      ['Platform', 'tasks.delivery', 'vend'],
      ['Platform', 'policy.vend', 'free'],
    ],
  },
];

const imageCases: readonly ChartCase[] = [
  {
    name: 'an image by tag',
    values: {
      image: { repository: 'registry.example:5000/valetkey', tag: '9' },
      imagePullSecrets: ['pull', { name: 'mirror' }],
    },
    fields: [
      [DEPLOYMENT, `${POD}.containers[0].image`, 'registry.example:5000/valetkey:9'],
      ['Platform', 'sidecar.image', 'registry.example:5000/valetkey:9'],
      [
        'ServiceAccount/valetkey-webhook',
        'imagePullSecrets',
        [{ name: 'pull' }, { name: 'mirror' }],
      ],
      ['ServiceAccount/valetkey-authority', 'imagePullSecrets[1]', { name: 'mirror' }],
    ],
  },
  {
    name: 'a digest overrides a tag',
    values: {
      image: {
        repository: 'registry.example/valetkey',
        tag: '9',
        digest: DIGEST,
        pullPolicy: 'Always',
      },
    },
    fields: [
      ['Platform', 'sidecar.image', `registry.example/valetkey@${DIGEST}`],
      ['Platform', 'sidecar.imagePullPolicy', 'Always'],
    ],
  },
];

const platformCases: readonly ChartCase[] = [
  {
    name: 'a private cloud',
    values: {
      cloud: {
        region: 'eu-1',
        stsEndpoint: 'http://rgw.example:7480',
        allowHttp: true,
        httpsProxy: 'http://proxy.example:3128',
        noProxy: ['.internal.example', 'rgw.example'],
        dialect: 's3',
        sourceRestriction: { mode: 'podIP' },
      },
    },
    fields: [
      ['Platform', 'cloud.region', 'eu-1'],
      ['Platform', 'cloud.stsEndpoint', 'http://rgw.example:7480'],
      ['Platform', 'cloud.allowHttp', true],
      ['Platform', 'cloud.httpsProxy', 'http://proxy.example:3128'],
      ['Platform', 'cloud.noProxy', ['.internal.example', 'rgw.example']],
      ['Platform', 'cloud.dialect', 's3'],
      ['Platform', 'cloud.sourceRestriction', { mode: 'podIP' }],
    ],
  },
  {
    name: 'restricted to the egress addresses',
    values: {
      cloud: { sourceRestriction: { mode: 'cidrs', cidrs: ['198.51.100.0/24', '2001:db8::/48'] } },
    },
    fields: [
      [
        'Platform',
        'cloud.sourceRestriction',
        { mode: 'cidrs', cidrs: ['198.51.100.0/24', '2001:db8::/48'] },
      ],
    ],
  },
  {
    name: 'restricted to a VPC',
    values: { cloud: { sourceRestriction: { mode: 'vpc', vpcId: 'vpc-0a1b2c3d' } } },
    fields: [['Platform', 'cloud.sourceRestriction', { mode: 'vpc', vpcId: 'vpc-0a1b2c3d' }]],
  },
  {
    name: 'all limits of tasks',
    values: {
      tasks: {
        minLifetime: '2s',
        maxLifetime: '2h',
        accountIds: ['012345678901'],
        partitions: ['aws-cn'],
        wildcardOnlyActions: true,
        regionWildcards: true,
        accountWildcards: true,
        mintingActions: { 'arn:aws:iam::111122223333:role/x': ['ecr:GetAuthorizationToken'] },
      },
    },
    fields: [
      ['Platform', 'tasks.minLifetimeSeconds', 2],
      ['Platform', 'tasks.maxLifetimeSeconds', 7200],
      ['Platform', 'tasks.accountIds', ['012345678901']],
      ['Platform', 'tasks.partitions', ['aws-cn']],
      ['Platform', 'tasks.wildcardOnlyActions', true],
      ['Platform', 'tasks.regionWildcards', true],
      ['Platform', 'tasks.accountWildcards', true],
      [
        'Platform',
        'tasks.mintingActions',
        { 'arn:aws:iam::111122223333:role/x': ['ecr:GetAuthorizationToken'] },
      ],
    ],
  },
  {
    name: 'a gateway with regions and endpoints',
    values: {
      cloud: {
        region: 'eu-central-1',
        regions: ['eu-central-1', 'eu-west-1'],
        endpoints: [
          { service: 's3', url: 'https://s3.example:9000' },
          { service: 'sqs', region: 'eu-west-1', url: 'https://sqs.example' },
        ],
      },
      tasks: { delivery: 'sign' },
      gateway: {
        maxBody: '26Mi',
        buffers: '1024Mi',
        fixedKey: 'off',
        journalLinesPerSecond: 10,
        journalResources: 'hashed',
      },
    },
    fields: [
      ['Platform', 'cloud.regions', ['eu-central-1', 'eu-west-1']],
      ['Platform', 'cloud.endpoints[0]', { service: 's3', url: 'https://s3.example:9000' }],
      ['Platform', 'cloud.endpoints[1].region', 'eu-west-1'],
      ['Platform', 'tasks.delivery', 'sign'],
      ['Platform', 'gateway.maxBodyBytes', 26 * 1024 * 1024],
      ['Platform', 'gateway.bufferBytes', 1024 * 1024 * 1024],
      ['Platform', 'gateway.fixedKey', 'off'],
      ['Platform', 'gateway.journalLinesPerSecond', 10],
      ['Platform', 'gateway.journalResources', 'hashed'],
    ],
  },
  {
    name: 'a delivery of tasks that the platform leaves open',
    values: {},
    fields: [
      ['Platform', 'tasks.delivery', NEW_INSTALLATION.delivery],
      ['Platform', 'cloud.regions', undefined],
      ['Platform', 'cloud.endpoints', undefined],
    ],
  },
  {
    name: 'any account, on purpose',
    values: { tasks: { accountIds: ['*'] } },
    fields: [['Platform', 'tasks.accountIds', ['*']]],
    notes: ['WARNING: tasks.accountIds is ["*"]'],
  },
  {
    name: 'a private cloud without accounts',
    values: {
      cloud: { dialect: 's3', stsEndpoint: 'https://rgw.example' },
      tasks: { accountIds: [] },
    },
    fields: [['Platform', 'tasks.accountIds', []]],
  },
  {
    name: 'settings of the sidecar, of other mutators and of pods',
    values: {
      sidecar: {
        audience: 'sts.example',
        resources: { memory: '128Mi', cpu: '50m' },
        allowedChanges: {
          images: [`mirror.example/valetkey@${DIGEST}`],
          env: ['MESH_LEVEL'],
          maxResources: { memory: '256Mi', cpu: '1' },
        },
        imagePullSecrets: ['registry-credentials'],
      },
      pods: {
        ignoredContainers: ['envoy'],
        allowApiToken: true,
        apiTokenContainers: [ARGO_WAIT],
        baselineNamespaces: ['legacy'],
        ruleExemptions: [{ namespace: 'legacy', rule: '3' }],
        breakGlassGroup: 'on-call',
        strictEnvironment: true,
        otherClouds: 'allow',
        foreignKeys: 'refuse',
        protectedAudiences: ['Vault.example'],
      },
    },
    fields: [
      ['Platform', 'sidecar.audience', 'sts.example'],
      ['Platform', 'sidecar.resources', { memory: '128Mi', cpu: '50m' }],
      ['Platform', 'sidecar.allowedChanges.images', [`mirror.example/valetkey@${DIGEST}`]],
      ['Platform', 'sidecar.allowedChanges.env', ['MESH_LEVEL']],
      ['Platform', 'sidecar.imagePullSecrets', ['registry-credentials']],
      ['Platform', 'sidecar.allowedChanges.maxResources', { memory: '256Mi', cpu: '1' }],
      [
        'Platform',
        'pods',
        {
          ignoredContainers: ['envoy'],
          allowApiToken: true,
          apiTokenContainers: [ARGO_WAIT],
          baselineNamespaces: ['legacy'],
          ruleExemptions: [{ namespace: 'legacy', rule: '3' }],
          breakGlassGroup: 'on-call',
          strictEnvironment: true,
          otherClouds: 'allow',
          foreignKeys: 'refuse',
          protectedAudiences: ['Vault.example'],
        },
      ],
    ],
  },
];

const webhookCases: readonly ChartCase[] = [
  {
    name: 'spans of every program',
    values: {
      tracing: {
        endpoint: 'http://collector.observability.svc:4318',
        samplerRatio: 1,
        sidecars: true,
      },
    },
    fields: [
      [DEPLOYMENT, `${POD}.containers[0].env.length`, 14],
      [
        'Platform',
        'sidecar.tracing',
        { endpoint: 'http://collector.observability.svc:4318', samplerRatio: 1 },
      ],
      [POLICY, 'spec.egress[1].ports', [{ port: 4318, protocol: 'TCP' }]],
      [
        'NetworkPolicy/valetkey-authority',
        'spec.egress[2].ports',
        [{ port: 4318, protocol: 'TCP' }],
      ],
    ],
  },
  {
    name: 'one replica without a disruption budget',
    values: { webhook: { replicas: 1 } },
    removes: ['PodDisruptionBudget/valetkey-webhook'],
    fields: [[DEPLOYMENT, 'spec.replicas', 1]],
  },
  {
    name: 'an existing priority class',
    values: { webhook: { priorityClass: { create: false, name: 'system-cluster-critical' } } },
    removes: ['PriorityClass/valetkey-webhook'],
    fields: [[DEPLOYMENT, `${POD}.priorityClassName`, 'system-cluster-critical']],
  },
  {
    name: 'no priority class',
    values: { webhook: { priorityClass: { name: '' } } },
    removes: ['PriorityClass/valetkey-webhook'],
    fields: [[DEPLOYMENT, `${POD}.priorityClassName`, undefined]],
  },
  {
    name: 'the port that the firewall of a private cluster opens',
    values: {},
    fields: [
      [DEPLOYMENT, `${POD}.containers[0].ports[0].containerPort`, 10250],
      [DEPLOYMENT, `${POD}.hostNetwork`, undefined],
      ['Service/valetkey-webhook', 'spec.ports[0].targetPort', 'https'],
      [POLICY, 'spec.ingress[0].ports', [{ port: 10250, protocol: 'TCP' }]],
    ],
  },
  {
    name: "the node's network and another port",
    values: { webhook: { hostNetwork: true, port: 10260 } },
    warnings: ['host namespaces (hostNetwork=true)'],
    fields: [
      [DEPLOYMENT, `${POD}.hostNetwork`, true],
      [DEPLOYMENT, `${POD}.dnsPolicy`, 'ClusterFirstWithHostNet'],
      [DEPLOYMENT, 'spec.strategy.rollingUpdate', { maxUnavailable: 1, maxSurge: 0 }],
      [DEPLOYMENT, `${POD}.containers[0].ports[0].containerPort`, 10260],
      [POLICY, 'spec.ingress[0].ports', [{ port: 10260, protocol: 'TCP' }]],
    ],
  },
  {
    name: 'scheduling and settings of the webhook',
    values: {
      webhook: {
        timeoutSeconds: 5,
        logLevel: 'debug',
        nodeSelector: { 'kubernetes.io/os': 'linux' },
        tolerations: [{ key: 'control-plane', operator: 'Exists', effect: 'NoSchedule' }],
        podAnnotations: { 'mesh.example/inject': 'false' },
        podLabels: { team: 'platform' },
        resources: { requests: { cpu: '1' }, limits: { memory: '1Gi' } },
      },
    },
    fields: [
      ['ConfigMap/valetkey-platform', 'data[webhook.log-level]', 'debug'],
      [MUTATING, 'webhooks[0].timeoutSeconds', 5],
      [DEPLOYMENT, `${POD}.nodeSelector`, { 'kubernetes.io/os': 'linux' }],
      [DEPLOYMENT, `${POD}.tolerations[0].key`, 'control-plane'],
      [DEPLOYMENT, 'spec.template.metadata.annotations[mesh.example/inject]', 'false'],
      [DEPLOYMENT, 'spec.template.metadata.labels.team', 'platform'],
      [DEPLOYMENT, `${POD}.containers[0].resources.limits`, { memory: '1Gi' }],
    ],
  },
];

const certificateCases: readonly ChartCase[] = [
  {
    name: 'certificates from cert-manager',
    values: { certificates: { source: 'cert-manager' } },
    adds: [
      'Issuer/valetkey-webhook-root',
      'Certificate/valetkey-webhook-ca',
      'Issuer/valetkey-webhook-ca',
      'Certificate/valetkey-webhook',
    ],
    removes: ['Secret/valetkey-webhook-ca'],
    fields: [
      [MUTATING, INJECT, 'valetkey/valetkey-webhook'],
      ['ValidatingWebhookConfiguration/valetkey', INJECT, 'valetkey/valetkey-webhook'],
      [DEPLOYMENT, `${POD}.volumes[1].secret.secretName`, 'valetkey-webhook-tls'],
      [DEPLOYMENT, `${POD}.containers[0].env.length`, 12],
      ['Certificate/valetkey-webhook', 'spec.secretName', 'valetkey-webhook-tls'],
      ['Certificate/valetkey-webhook', 'spec.dnsNames[0]', 'valetkey-webhook.valetkey.svc'],
      ['Certificate/valetkey-webhook', 'spec.issuerRef.name', 'valetkey-webhook-ca'],
      // The CA's Secret and the caBundle are cert-manager's: no right to either is left.
      [ROLE, 'rules.length', 2],
      [CLUSTER_ROLE, 'rules[0].verbs', ['get']],
    ],
  },
  {
    name: 'certificates from an existing issuer',
    values: {
      certificates: {
        source: 'cert-manager',
        certManager: { issuer: { kind: 'ClusterIssuer', name: 'corporate' } },
      },
    },
    adds: ['Certificate/valetkey-webhook'],
    removes: ['Secret/valetkey-webhook-ca'],
    fields: [
      ['Certificate/valetkey-webhook', 'spec.issuerRef.kind', 'ClusterIssuer'],
      ['Certificate/valetkey-webhook', 'spec.issuerRef.name', 'corporate'],
    ],
  },
];

const EVERYWHERE = {
  ipBlock: { cidr: '0.0.0.0/0', except: ['169.254.169.254/32', '169.254.170.23/32'] },
};
const EVERYWHERE_6 = {
  ipBlock: { cidr: '::/0', except: ['fd00:ec2::254/128', 'fd00:ec2::23/128'] },
};

const networkCases: readonly ChartCase[] = [
  {
    name: 'no NetworkPolicy for the webhook',
    values: { networkPolicies: { webhook: { enabled: false } } },
    removes: [POLICY],
  },
  {
    name: 'scrape sources, and the address of the API server',
    values: {
      networkPolicies: {
        webhook: {
          telemetryFrom: [{ namespaceSelector: { matchLabels: { team: 'observability' } } }],
          apiServer: { ports: [6443], cidrs: ['10.0.0.1/32'], sourceCidrs: ['10.0.0.2/32'] },
        },
      },
    },
    fields: [
      [POLICY, 'spec.ingress[0].from', [{ ipBlock: { cidr: '10.0.0.2/32' } }]],
      [POLICY, 'spec.ingress[1].from[0].namespaceSelector.matchLabels.team', 'observability'],
      [POLICY, 'spec.ingress[1].ports', [{ port: 9444, protocol: 'TCP' }]],
      [POLICY, 'spec.egress[0].ports', [{ port: 6443, protocol: 'TCP' }]],
      [POLICY, 'spec.egress[0].to', [{ ipBlock: { cidr: '10.0.0.1/32' } }]],
    ],
  },
  {
    name: 'instance metadata blocked for agents',
    values: {
      networkPolicies: { agents: { enabled: true, namespaces: ['default', 'kube-public'] } },
    },
    adds: [`NetworkPolicy/${AGENTS_POLICY}`, `NetworkPolicy/${AGENTS_POLICY}`],
    fields: [
      [`NetworkPolicy/${AGENTS_POLICY}`, 'metadata.namespace', 'default'],
      [
        `NetworkPolicy/${AGENTS_POLICY}`,
        'spec',
        {
          podSelector: {},
          policyTypes: ['Egress'],
          egress: [{ to: [{ namespaceSelector: {} }, EVERYWHERE, EVERYWHERE_6] }],
        },
      ],
    ],
    notes: [
      'blocked in: default, kube-public',
      'NetworkPolicies are additive',
      'docs/network-policies.md',
    ],
  },
];

const PROMETHEUS = [{ namespaceSelector: { matchLabels: { team: 'observability' } } }];

const monitoringCases: readonly ChartCase[] = [
  {
    name: 'a monitor without NetworkPolicies',
    values: {
      networkPolicies: { webhook: { enabled: false }, authority: { enabled: false } },
      monitoring: { serviceMonitor: { enabled: true } },
    },
    adds: ['ServiceMonitor/valetkey-webhook', 'ServiceMonitor/valetkey-authority'],
    removes: [POLICY, 'NetworkPolicy/valetkey-authority'],
  },
  {
    name: 'alerts without those of the authority',
    values: { trust: 'cluster', monitoring: { prometheusRule: { enabled: true } } },
    adds: ['PrometheusRule/valetkey'],
    removes: AUTHORITY_OBJECTS,
    fields: [
      ['PrometheusRule/valetkey', 'spec.groups.length', 3],
      ['PrometheusRule/valetkey', 'spec.groups[0].name', 'valetkey-webhook'],
      ['PrometheusRule/valetkey', 'spec.groups[1].name', 'valetkey-sidecars'],
      ['PrometheusRule/valetkey', 'spec.groups[2].name', 'valetkey-slo'],
      [
        'PrometheusRule/valetkey',
        'spec.groups[0].rules[0].annotations.runbook_url',
        'https://valetkey.dev/docs/runbooks/ValetkeyWebhookAbsent',
      ],
    ],
  },
  {
    name: 'dashboards',
    values: {
      monitoring: { dashboards: { enabled: true, annotations: { grafana_folder: 'Valetkey' } } },
    },
    adds: ['fleet', 'gateway', 'admission', 'authority', 'approvals', 'audit'].map(
      (name) => `ConfigMap/valetkey-dashboard-${name}`,
    ),
    fields: [
      ['ConfigMap/valetkey-dashboard-fleet', 'metadata.labels.grafana_dashboard', '1'],
      ['ConfigMap/valetkey-dashboard-fleet', 'metadata.annotations.grafana_folder', 'Valetkey'],
    ],
  },
  {
    name: 'dashboards without those of the authority',
    values: {
      trust: 'cluster',
      monitoring: { dashboards: { enabled: true, labels: { dashboards: 'ours' } } },
    },
    adds: ['fleet', 'gateway', 'admission'].map((name) => `ConfigMap/valetkey-dashboard-${name}`),
    removes: AUTHORITY_OBJECTS,
    fields: [['ConfigMap/valetkey-dashboard-fleet', 'metadata.labels.dashboards', 'ours']],
  },
  {
    name: 'a monitor of the webhook alone',
    values: {
      trust: 'cluster',
      networkPolicies: { webhook: { telemetryFrom: PROMETHEUS } },
      monitoring: { serviceMonitor: { enabled: true } },
    },
    adds: ['ServiceMonitor/valetkey-webhook'],
    removes: AUTHORITY_OBJECTS,
  },
  {
    name: 'monitors of the Prometheus operator',
    values: {
      networkPolicies: {
        webhook: { telemetryFrom: PROMETHEUS },
        authority: { telemetryFrom: PROMETHEUS },
      },
      monitoring: {
        serviceMonitor: { enabled: true, interval: '15s', labels: { release: 'prometheus' } },
        podMonitor: { enabled: true },
        prometheusRule: {
          enabled: true,
          labels: { release: 'prometheus' },
          runbookUrl: 'https://wiki.example/valetkey',
        },
      },
    },
    adds: [
      'ServiceMonitor/valetkey-webhook',
      'ServiceMonitor/valetkey-authority',
      'PodMonitor/valetkey-sidecars',
      'PrometheusRule/valetkey',
    ],
    fields: [
      ['ServiceMonitor/valetkey-webhook', 'metadata.labels.release', 'prometheus'],
      [
        'PrometheusRule/valetkey',
        'spec.groups[0].rules[0].annotations.runbook_url',
        'https://wiki.example/valetkey/ValetkeyWebhookAbsent',
      ],
      ['ServiceMonitor/valetkey-webhook', 'spec.endpoints[0].interval', '15s'],
      ['ServiceMonitor/valetkey-webhook', 'spec.endpoints[0].port', 'telemetry'],
      ['PodMonitor/valetkey-sidecars', 'spec.namespaceSelector.any', true],
      ['PodMonitor/valetkey-sidecars', 'spec.selector.matchLabels[valetkey.dev/injected]', 'true'],
      ['PodMonitor/valetkey-sidecars', 'spec.podMetricsEndpoints[0].port', 'valetkey-metric'],
      ['PrometheusRule/valetkey', 'metadata.labels.release', 'prometheus'],
      ['PrometheusRule/valetkey', 'spec.groups[0].rules[1].alert', 'ValetkeyWebhookUntrusted'],
      ['PrometheusRule/valetkey', 'spec.groups[1].rules[0].alert', 'ValetkeyAuthorityAbsent'],
    ],
  },
];

const SCC = 'SecurityContextConstraints/valetkey-nonroot';
const SCC_BINDING = 'ClusterRoleBinding/valetkey-nonroot';

const openshiftCases: readonly ChartCase[] = [
  {
    name: 'security context constraints of OpenShift',
    values: { openshift: { scc: { enabled: true, namespaces: ['research', 'support'] } } },
    adds: [SCC, 'ClusterRole/valetkey-nonroot', SCC_BINDING],
    fields: [
      [SCC, 'runAsUser', { type: 'MustRunAsNonRoot' }],
      [SCC, 'requiredDropCapabilities', ['ALL']],
      [SCC, 'allowedCapabilities', ['NET_BIND_SERVICE']],
      [SCC, 'allowPrivilegedContainer', false],
      [SCC, 'allowPrivilegeEscalation', false],
      [SCC, 'users', []],
      [SCC, 'groups', []],
      ['ClusterRole/valetkey-nonroot', 'rules[0].resourceNames', ['valetkey-nonroot']],
      ['ClusterRole/valetkey-nonroot', 'rules[0].verbs', ['use']],
      [SCC_BINDING, 'subjects.length', 4],
      [SCC_BINDING, 'subjects[0].name', 'valetkey-webhook'],
      [SCC_BINDING, 'subjects[1].name', 'valetkey-authority'],
      [SCC_BINDING, 'subjects[2].name', 'system:serviceaccounts:research'],
      [SCC_BINDING, 'subjects[3].name', 'system:serviceaccounts:support'],
    ],
  },
];

/** The first renders manifests/, and every other case is compared with it. */
export const CHART_CASES: readonly ChartCase[] = [
  {
    name: 'the defaults',
    values: {},
    fields: [
      [DEPLOYMENT, 'spec.replicas', 2],
      // As many replicas as ever serve during a rollout.
      [DEPLOYMENT, 'spec.strategy.rollingUpdate', { maxUnavailable: 0, maxSurge: 1 }],
      ['StatefulSet/valetkey-authority', 'spec.updateStrategy', { type: 'RollingUpdate' }],
      ['Service/valetkey-webhook', 'spec.ipFamilyPolicy', undefined],
      ['Service/valetkey-webhook', 'spec.ipFamilies', undefined],
      [DEPLOYMENT, `${POD}.priorityClassName`, 'valetkey-webhook'],
      [DEPLOYMENT, `${POD}.containers[0].env[2].name`, WEBHOOK_ENV.platformFile],
      [POLICY, 'spec.ingress.length', 1],
      ...[
        'approvalrequests',
        'approvals',
        'revocations',
        'taskpolicies',
        'taskproposals',
        'upstreams',
      ].map(
        (name) =>
          [
            `CustomResourceDefinition/${name}.valetkey.dev`,
            'metadata.annotations[helm.sh/resource-policy]',
            'keep',
          ] as const,
      ),
      [POLICY, 'spec.ingress[0].from', undefined],
      ['Platform', 'trust', 'authority'],
      ['Platform', 'tasks.minLifetimeSeconds', 60],
    ],
    notes: [
      'rollout status',
      'task.valetkey.dev/summarize',
      "trust the authority's issuer, https://issuer.example/valetkey,",
      'sts.amazonaws.com',
      'kubectl label namespace NAMESPACE valetkey.dev/tasks=allowed',
      'no registry serves',
    ],
  },
  ...authority,
  ...imageCases,
  ...deliveryCases,
  ...platformCases,
  ...webhookCases,
  ...POD_CASES,
  ...WORKLOAD_CASES,
  ...DISCOVERY_CASES,
  ...certificateCases,
  ...networkCases,
  ...monitoringCases,
  ...openshiftCases,
];

export const CHART_REJECTIONS: readonly ChartRejection[] = [
  ...AUTHORITY_REJECTIONS,
  ...POD_REJECTIONS,
  ...WORKLOAD_REJECTIONS,
  ...DISCOVERY_REJECTIONS,
  { name: 'an unknown top-level value', values: { imaeg: {} }, names: 'imaeg' },
  {
    name: 'an unknown nested value',
    values: { networkPolicies: { webhook: { apiServer: { port: 1 } } } },
    names: 'port',
  },
  {
    name: 'an unknown value of the cloud',
    values: { cloud: { endpoint: 'https://x' } },
    names: 'endpoint',
  },
  {
    name: 'an exception without policies that could permit it',
    values: { trust: 'cluster', policy: { vend: 'exception' } },
    names: 'policy.vend: expected free with trust: cluster',
  },
  { name: 'an unknown rule for vend', values: { policy: { vend: 'never' } }, names: 'vend' },
  { name: 'an unknown delivery', values: { tasks: { delivery: 'lend' } }, names: 'delivery' },
  { name: 'an unknown kind of trust', values: { trust: 'everyone' }, names: 'trust' },
  {
    name: 'an account id as a number',
    values: { tasks: { accountIds: [111122223333] } },
    names: 'accountIds',
  },
  {
    name: 'no account at AWS',
    values: { tasks: { accountIds: [] } },
    names: "--set-string 'tasks.accountIds={111122223333}'",
  },
  {
    name: 'accounts in a private cloud, whose roles have none',
    values: {
      cloud: { dialect: 's3', stsEndpoint: 'https://rgw.example' },
      tasks: { accountIds: ['111122223333'] },
    },
    names: 'tasks.accountIds: expected no accounts with cloud.dialect: s3',
  },
  {
    name: 'any account beside one account',
    values: { tasks: { accountIds: ['*', '111122223333'] } },
    names: "tasks.accountIds: expected '*' alone",
  },
  {
    name: 'an http endpoint of the gateway without allowHttp',
    values: { cloud: { endpoints: [{ service: 's3', url: 'http://rgw.example:7480' }] } },
    names: 'cloud.endpoints[0].url: expected an https endpoint, or cloud.allowHttp: true',
  },
  {
    name: 'an endpoint without a service',
    values: { cloud: { endpoints: [{ url: 'https://rgw.example:7480' }] } },
    names: 'service',
  },
  {
    name: 'regions without the region of consumers',
    values: { cloud: { region: 'eu-1', regions: ['us-1'] } },
    names: 'cloud.regions: expected a list with cloud.region (eu-1)',
  },
  {
    name: 'buffers below the largest body',
    values: { gateway: { maxBody: '16Mi', buffers: '8Mi' } },
    names: 'gateway.buffers: expected at least gateway.maxBody (16Mi), got 8Mi',
  },
  {
    name: 'a body above 26Mi',
    values: { gateway: { maxBody: '27Mi' } },
    names: 'maxBody',
  },
  {
    name: 'a delivery that does not exist',
    values: { tasks: { delivery: 'email' } },
    names: 'delivery',
  },
  {
    name: 'an http endpoint without allowHttp',
    values: { cloud: { stsEndpoint: 'http://x' } },
    names: 'cloud.stsEndpoint: expected an https endpoint, or cloud.allowHttp: true',
  },
  {
    name: 'a private cloud without an endpoint',
    values: { cloud: { dialect: 's3' } },
    names: 'stsEndpoint',
  },
  {
    name: 'mode cidrs without a CIDR',
    values: { cloud: { sourceRestriction: { mode: 'cidrs' } } },
    names: 'cidrs',
  },
  {
    name: 'mode vpc without an ID',
    values: { cloud: { sourceRestriction: { mode: 'vpc' } } },
    names: 'vpcId',
  },
  {
    name: 'an allowed image by tag',
    values: { sidecar: { allowedChanges: { images: ['x:1'] } } },
    names: 'images',
  },
  {
    name: 'an allowed change of a variable of Valetkey',
    values: { sidecar: { allowedChanges: { env: ['VALETKEY_CLOUD'] } } },
    names: 'env',
  },
  {
    name: 'an allowed NODE_ variable',
    values: { sidecar: { allowedChanges: { env: ['NODE_PATH'] } } },
    names: 'env',
  },
  {
    name: 'an exemption from rule 6',
    values: { pods: { ruleExemptions: [{ namespace: 'legacy', rule: '6' }] } },
    names: 'rule',
  },
  {
    name: 'a break-glass group of all users',
    values: { pods: { breakGlassGroup: 'system:authenticated' } },
    names: 'breakGlassGroup',
  },
  {
    name: 'an API token for a container of any creator',
    values: { pods: { apiTokenContainers: [{ name: 'wait', image: 'argoproj/argoexec' }] } },
    names: 'createdBy',
  },
  {
    name: 'an API token for what a template contains',
    values: {
      pods: {
        apiTokenContainers: [
          { ...ARGO_WAIT, createdBy: 'system:serviceaccount:kube-system:job-controller' },
        ],
      },
    },
    names: 'createdBy',
  },
  ...(['webhook', 'authority'] as const).map((component) => ({
    name: `a monitor that the NetworkPolicy of the ${component} does not admit`,
    values: {
      monitoring: { serviceMonitor: { enabled: true } },
      networkPolicies: {
        webhook: { telemetryFrom: PROMETHEUS },
        authority: { telemetryFrom: PROMETHEUS },
        [component]: { telemetryFrom: [] },
      },
    },
    names: `networkPolicies.${component}.telemetryFrom: expected the peers`,
  })),
  {
    name: 'enabled agent policies without a namespace',
    values: { networkPolicies: { agents: { enabled: true } } },
    names: 'namespaces',
  },
  {
    name: 'a pod label that the webhook selector uses',
    values: { webhook: { podLabels: { 'app.kubernetes.io/name': 'x' } } },
    names: 'app.kubernetes.io/name',
  },
  {
    name: "the kubelet's port on the node's network",
    values: { webhook: { hostNetwork: true } },
    names: 'webhook.port: expected another port than 10250 with webhook.hostNetwork',
  },
  {
    name: 'the port of metrics for admission',
    values: { webhook: { port: 9444 } },
    names: 'webhook.port: expected another port than 9444',
  },
  { name: 'a privileged port', values: { webhook: { port: 443 } }, names: 'port' },
  { name: 'zero replicas', values: { webhook: { replicas: 0 } }, names: 'replicas' },
];
