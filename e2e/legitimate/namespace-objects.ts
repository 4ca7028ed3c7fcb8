import { buildEditorRoleBinding } from '../cluster/editor-role-binding.ts';
import { NAMESPACE_KINDS } from './workloads.ts';
import type { NamespaceKind } from './workloads.ts';

/** The user who deploys the workloads, and may only edit in the team's namespaces. */
export const EDITOR = 'legitimate-editor';

/** Used by one workload. */
export const PRIORITY_CLASS = 'acme-reports';

/** Objects of the platform team that exist before the workloads. */
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
        default: { cpu: '400m', memory: '256Mi' },
        defaultRequest: { cpu: '5m', memory: '32Mi' },
        max: { cpu: '1', memory: '512Mi' },
        // The sidecar of the tests requests 5m, and gets the default limit: a ratio of 80.
        maxLimitRequestRatio: { cpu: '100' },
      },
    ],
  },
});

/** Limits every resource, so a pod with a container without requests is refused. */
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
