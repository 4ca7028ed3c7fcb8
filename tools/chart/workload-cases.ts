import type { ChartCase, ChartRejection } from './chart-case.ts';

const DEPLOYMENT = 'Deployment/valetkey-webhook';
const AUTOSCALER = 'HorizontalPodAutoscaler/valetkey-webhook';
const STATEFUL_SET = 'StatefulSet/valetkey-authority';
const SERVICES = ['Service/valetkey-webhook', 'Service/valetkey-authority'] as const;

/** Cases of the number of replicas, of how upgrades replace them, and of the Services' IP families. */
export const WORKLOAD_CASES: readonly ChartCase[] = [
  {
    name: 'an autoscaled webhook, whose replicas no upgrade resets',
    values: {
      webhook: {
        replicas: 1,
        autoscaling: {
          enabled: true,
          minReplicas: 3,
          maxReplicas: 9,
          targetCPUUtilizationPercentage: 60,
        },
      },
    },
    // minReplicas decides about it, not replicas.
    adds: [AUTOSCALER],
    fields: [
      [DEPLOYMENT, 'spec.replicas', undefined],
      [AUTOSCALER, 'spec.scaleTargetRef.name', 'valetkey-webhook'],
      [AUTOSCALER, 'spec.minReplicas', 3],
      [AUTOSCALER, 'spec.maxReplicas', 9],
      [
        AUTOSCALER,
        'spec.metrics',
        [
          {
            type: 'Resource',
            resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } },
          },
        ],
      ],
    ],
  },
  {
    name: 'autoscaling from one replica, without a disruption budget',
    values: { webhook: { autoscaling: { enabled: true, minReplicas: 1 } } },
    adds: [AUTOSCALER],
    removes: ['PodDisruptionBudget/valetkey-webhook'],
  },
  {
    name: 'custom rollouts of both components',
    values: {
      webhook: { strategy: { rollingUpdate: { maxSurge: '50%', maxUnavailable: 0 } } },
      authority: { updateStrategy: { rollingUpdate: { partition: 1 } } },
    },
    fields: [
      [DEPLOYMENT, 'spec.strategy.rollingUpdate', { maxSurge: '50%', maxUnavailable: 0 }],
      [
        STATEFUL_SET,
        'spec.updateStrategy',
        { type: 'RollingUpdate', rollingUpdate: { partition: 1 } },
      ],
    ],
  },
  {
    name: 'replicas of the authority that an upgrade leaves to you',
    values: { authority: { updateStrategy: { type: 'OnDelete' } } },
    fields: [[STATEFUL_SET, 'spec.updateStrategy', { type: 'OnDelete' }]],
  },
  {
    name: 'Services with two IP families where the cluster has them',
    values: { services: { ipFamilyPolicy: 'PreferDualStack' } },
    fields: SERVICES.map((service) => [service, 'spec.ipFamilyPolicy', 'PreferDualStack'] as const),
  },
  {
    name: 'Services with two IP families in a chosen order',
    values: { services: { ipFamilyPolicy: 'RequireDualStack', ipFamilies: ['IPv6', 'IPv4'] } },
    missing: 'both IP families',
    fields: SERVICES.flatMap((service) => [
      [service, 'spec.ipFamilyPolicy', 'RequireDualStack'] as const,
      [service, 'spec.ipFamilies', ['IPv6', 'IPv4']] as const,
    ]),
  },
];

export const WORKLOAD_REJECTIONS: readonly ChartRejection[] = [
  {
    name: 'more replicas at least than at most',
    values: { webhook: { autoscaling: { enabled: true, minReplicas: 7 } } },
    names: 'webhook.autoscaling.minReplicas: expected at most maxReplicas (6), got 7',
  },
  {
    name: 'a share of no CPU request',
    values: {
      webhook: { autoscaling: { enabled: true }, resources: { requests: { cpu: null } } },
    },
    names: 'webhook.resources.requests.cpu: expected a request',
  },
  {
    name: 'an autoscaled authority',
    values: { authority: { autoscaling: { enabled: true } } },
    names: 'autoscaling',
  },
  {
    name: 'a rollout of the webhook without any replica',
    values: { webhook: { strategy: { type: 'Recreate' } } },
    names: 'strategy',
  },
  {
    name: 'a rollout that can replace no pod',
    values: { webhook: { strategy: { rollingUpdate: { maxSurge: '0%', maxUnavailable: 0 } } } },
    names: 'webhook.strategy.rollingUpdate: expected maxSurge or maxUnavailable above 0',
  },
  {
    name: 'a partition of replicas that no rollout replaces',
    values: {
      authority: { updateStrategy: { type: 'OnDelete', rollingUpdate: { partition: 1 } } },
    },
    names: 'updateStrategy',
  },
  {
    name: 'two IP families of a Service with one',
    values: { services: { ipFamilies: ['IPv4', 'IPv6'] } },
    names: 'services.ipFamilyPolicy: expected PreferDualStack or RequireDualStack',
  },
  {
    name: 'an IP family that does not exist',
    values: { services: { ipFamilies: ['IPv5'] } },
    names: 'ipFamilies',
  },
];
