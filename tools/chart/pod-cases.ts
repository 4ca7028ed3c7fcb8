import type { ChartCase, ChartRejection } from './chart-case.ts';

const DEPLOYMENT = 'Deployment/valetkey-webhook';
const POD = 'spec.template.spec';
const MESH_CA = { name: 'mesh', mountPath: '/mnt/mesh-ca', configMap: { name: 'mesh-ca' } };
const AFFINITY = { podAntiAffinity: { requiredDuringSchedulingIgnoredDuringExecution: [] } };
const SPREAD = { topologyKey: 'example/rack', maxSkew: 2, whenUnsatisfiable: 'DoNotSchedule' };

const TOLERATION = { key: 'control-plane', operator: 'Exists', effect: 'NoSchedule' };
const RESOURCES = { requests: { cpu: '250m', memory: '300Mi' }, limits: { memory: '600Mi' } };

/** The same values for both components. */
const buildPodCase = (component: 'webhook' | 'authority', workload: string): ChartCase => ({
  name: `standard pod values of the ${component}`,
  values: {
    [component]: {
      affinity: AFFINITY,
      topologySpreadConstraints: [SPREAD],
      annotations: { 'reloader.example/auto': 'true' },
      labels: { team: 'platform' },
      serviceAnnotations: { 'mesh.example/sync': 'no' },
      securityContext: { seLinuxOptions: { level: 's0:c1,c2' }, supplementalGroups: [3000] },
      extraEnv: [{ name: 'TZ', value: 'UTC' }],
      extraVolumes: [MESH_CA],
      nodeSelector: { 'kubernetes.io/os': 'linux' },
      tolerations: [TOLERATION],
      podAnnotations: { 'mesh.example/inject': 'false' },
      podLabels: { tier: 'control' },
      resources: RESOURCES,
    },
  },
  fields: [
    [workload, `${POD}.affinity`, AFFINITY],
    [
      workload,
      `${POD}.topologySpreadConstraints`,
      [
        {
          ...SPREAD,
          labelSelector: {
            matchLabels: {
              'app.kubernetes.io/name': 'valetkey',
              'app.kubernetes.io/component': component,
            },
          },
        },
      ],
    ],
    [workload, `${POD}.nodeSelector`, { 'kubernetes.io/os': 'linux' }],
    [workload, `${POD}.tolerations`, [TOLERATION]],
    [workload, 'spec.template.metadata.annotations[mesh.example/inject]', 'false'],
    [workload, 'spec.template.metadata.labels.tier', 'control'],
    [workload, `${POD}.containers[0].resources`, RESOURCES],
    [workload, 'metadata.annotations', { 'reloader.example/auto': 'true' }],
    [workload, 'metadata.labels.team', 'platform'],
    [workload, 'spec.template.metadata.labels.team', undefined],
    [`Service/valetkey-${component}`, 'metadata.annotations', { 'mesh.example/sync': 'no' }],
    [workload, `${POD}.securityContext.runAsNonRoot`, true],
    [workload, `${POD}.volumes[1]`, { name: 'extra-mesh', configMap: { name: 'mesh-ca' } }],
    [
      workload,
      `${POD}.containers[0].volumeMounts[${component === 'webhook' ? 1 : 2}]`,
      { name: 'extra-mesh', mountPath: '/mnt/mesh-ca', readOnly: true },
    ],
    [workload, `${POD}.securityContext.seLinuxOptions`, { level: 's0:c1,c2' }],
    [workload, `${POD}.securityContext.supplementalGroups`, [3000]],
    [
      workload,
      `${POD}.containers[0].env[${component === 'webhook' ? 12 : 16}]`,
      { name: 'TZ', value: 'UTC' },
    ],
  ],
});

/** Cases of the values that both components have for their pods. */
export const POD_CASES: readonly ChartCase[] = [
  buildPodCase('webhook', DEPLOYMENT),
  buildPodCase('authority', 'StatefulSet/valetkey-authority'),
  {
    name: "the authority's own priority class",
    values: { authority: { priorityClassName: 'important' } },
    fields: [
      ['StatefulSet/valetkey-authority', `${POD}.priorityClassName`, 'important'],
      [DEPLOYMENT, `${POD}.priorityClassName`, 'valetkey-webhook'],
    ],
  },
];

export const POD_REJECTIONS: readonly ChartRejection[] = [
  ...(['webhook', 'authority'] as const).flatMap((component) => [
    ...[
      { runAsUser: 0 },
      { runAsNonRoot: false },
      { seccompProfile: { type: 'Unconfined' } },
      { fsGroup: 0 },
      { sysctls: [] },
    ].map((securityContext) => ({
      name: `a weaker security context of the ${component}: ${Object.keys(securityContext).join()}`,
      values: { [component]: { securityContext } },
      names: `${component}.securityContext.${Object.keys(securityContext).join()}: expected only appArmorProfile`,
    })),
    ...['/opt/valetkey', '/mnt/../opt', '/mnt', '/'].map((mountPath) => ({
      name: `a volume over files of the ${component}: ${mountPath}`,
      values: { [component]: { extraVolumes: [{ ...MESH_CA, mountPath }] } },
      names: 'mountPath',
    })),
    {
      name: `a volume of the node in the ${component}`,
      values: {
        [component]: {
          extraVolumes: [{ name: 'x', mountPath: '/mnt/x', hostPath: { path: '/' } }],
        },
      },
      names: 'hostPath',
    },
    {
      name: `the ${component} without AppArmor`,
      values: { [component]: { securityContext: { appArmorProfile: { type: 'Unconfined' } } } },
      names: 'appArmorProfile',
    },
    ...['NODE_OPTIONS', 'LD_PRELOAD', 'SSL_CERT_FILE', 'VALETKEY_LISTEN', 'HOSTALIASES'].map(
      (name) => ({
        name: `a variable of the ${component} that its program refuses: ${name}`,
        values: { [component]: { extraEnv: [{ name, value: 'x' }] } },
        names: 'extraEnv',
      }),
    ),
  ]),
];
