import type { Pod } from '../../lib/contract/pod.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import type { AttackByKind, Operations } from './attack-table.ts';

/** Values of base pods that depend on the cluster. */
export type PodDefaults = {
  readonly namespace: string;
  readonly image: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
};

/** A service account that is bound to a role by another mechanism. */
export const BOUND_ACCOUNT = 'bound';
export const BOUND_ROLE_ANNOTATION = {
  'eks.amazonaws.com/role-arn': 'arn:aws:iam::111122223333:role/agent-reports',
} as const;

/** The role in declarations, of dialect s3; no request with it reaches a cloud. */
const EXAMPLE_ROLE = 'arn:aws:iam:::role/agent-reports';

const TASK = 'task.valetkey.dev/read';

/** The task of the base pod. */
const DECLARATION = {
  role: EXAMPLE_ROLE,
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] }],
  lifetime: '5m',
};

const buildContainer = (name: string, { image, imagePullPolicy }: PodDefaults) => ({
  name,
  image,
  imagePullPolicy,
  command: ['/usr/bin/node', '/app/agent.mjs', 'hold'],
  securityContext: {
    runAsNonRoot: true,
    runAsUser: 1000,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
});

/** Builds a pod with two consumers that passes all rules and declares no task. */
export const buildPlainPod = (name: string, site: PodDefaults): Pod => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: site.namespace, labels: { app: 'attacks' }, annotations: {} },
  spec: {
    serviceAccountName: 'agent',
    ...{ terminationGracePeriodSeconds: 2 },
    containers: [buildContainer('agent', site), buildContainer('helper', site)],
  },
});

/** Builds the same pod with its task, or with the declaration of an attack. */
export const buildDeclaredPod = (
  name: string,
  site: PodDefaults,
  declared: AttackByKind<'create'>['create']['declare'] = {},
): Pod => {
  const pod = buildPlainPod(name, site);
  const text =
    typeof declared === 'string' ? declared : JSON.stringify({ ...DECLARATION, ...declared });
  return { ...pod, metadata: { ...pod.metadata, annotations: { [TASK]: text } } };
};

/** Applies the changes of an attack to an object. @throws Error if one of them does not apply */
export const applyOperations = (object: unknown, patch: Operations): unknown =>
  applyPatch(
    object,
    patch.map(({ op, path, value, times }) =>
      op === 'remove' ? { op, path } : { op, path, value: repeatValue(value, times) },
    ),
  );

const repeatValue = (value: unknown, times: number | undefined): unknown => {
  if (times === undefined) return value;
  return typeof value === 'string'
    ? value.repeat(times)
    : Array.from({ length: times }, () => value).flat();
};
