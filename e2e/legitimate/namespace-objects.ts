import { buildEditorRoleBinding } from '../cluster/editor-role-binding.ts';
import { NAMESPACE_KINDS } from './workloads.ts';
import type { NamespaceKind } from './workloads.ts';

/** Who deploys the workloads: somebody who may edit in the team's namespaces, and nothing else. */
export const EDITOR = 'legitimate-editor';

/** Only one workload names it. */
export const PRIORITY_CLASS = 'acme-reports';

/** What the platform has put there before any workload came, beside the namespaces themselves. */
export const buildNamespaceObjects = (
  namespaces: Readonly<Record<NamespaceKind, string>>,
): object[] => [
  ...NAMESPACE_KINDS.map((place) => buildEditorRoleBinding(namespaces[place], EDITOR)),
  priorityClass,
  buildLimitRange(namespaces.quota),
  buildQuota(namespaces.quota),
];

const priorityClass = {
  apiVersion: 'scheduling.k8s.io/v1',
  kind: 'PriorityClass',
  metadata: { name: PRIORITY_CLASS },
  value: 10,
  preemptionPolicy: 'Never',
};

const buildLimitRange = (namespace: string) => ({
  apiVersion: 'v1',
  kind: 'LimitRange',
  metadata: { name: 'limits', namespace },
  spec: {
    limits: [
      {
        type: 'Container',
        default: { cpu: '500m', memory: '256Mi' },
        defaultRequest: { cpu: '1m', memory: '32Mi' },
        max: { cpu: '1', memory: '512Mi' },
      },
    ],
  },
});

/** Counts everything that a container may name: a pod with one that names nothing is refused. */
const buildQuota = (namespace: string) => ({
  apiVersion: 'v1',
  kind: 'ResourceQuota',
  metadata: { name: 'quota', namespace },
  spec: {
    hard: {
      pods: '4',
      'requests.cpu': '500m',
      'requests.memory': '1Gi',
      'limits.cpu': '4',
      'limits.memory': '2Gi',
    },
  },
});
