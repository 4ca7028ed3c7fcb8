import { DOMAIN, SIDECAR_CONTAINER, TASK_ANNOTATION_PREFIX } from '../../../lib/contract/names.ts';
import { ANY_ACCOUNT, type Platform } from '../../../lib/contract/platform.ts';
import type { DryRunResult } from '../../../lib/edge/kubernetes/cluster-facts.ts';
import { toMapping } from '../../../lib/schema/mapping.ts';
import { pass, report, type CheckResult } from './check-row.ts';

/** Any account: nothing is assumed in a dry run. */
const SAMPLE_ACCOUNT = '111122223333';
const MAX_LIFETIME_SECONDS = 900;

/**
 * Builds a pod that declares one task and satisfies every pod rule. Its image is the sidecar's, which the
 * cluster accepts already.
 */
export const buildSamplePod = (
  name: string,
  { sidecar, cloud, tasks }: Pick<Platform, 'sidecar' | 'cloud' | 'tasks'>,
): object => {
  const { minLifetimeSeconds, maxLifetimeSeconds, accountIds, partitions } = tasks;
  const lifetime = Math.max(minLifetimeSeconds, Math.min(maxLifetimeSeconds, MAX_LIFETIME_SECONDS));
  const [partition = 'aws'] = partitions;
  const [first = cloud.dialect === 's3' ? '' : SAMPLE_ACCOUNT] = accountIds;
  const account = first === ANY_ACCOUNT ? SAMPLE_ACCOUNT : first;
  const place = partition === 'minio' ? 'aws' : partition;
  const task = {
    role: `arn:${partition}:iam::${account}:role/valetkey-check`,
    allow: [{ actions: ['s3:GetObject'], resources: [`arn:${place}:s3:::valetkey-check/*`] }],
    lifetime: `${lifetime}s`,
  };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, annotations: { [`${TASK_ANNOTATION_PREFIX}check`]: JSON.stringify(task) } },
    spec: {
      restartPolicy: 'Never',
      containers: [
        { name: 'agent', image: sidecar.image, resources: RESOURCES, securityContext: RESTRICTED },
      ],
    },
  };
};

const AMOUNTS = { cpu: '50m', memory: '64Mi' };
/** Of small pods that satisfy every pod rule. */
export const RESOURCES = { requests: AMOUNTS, limits: AMOUNTS };
export const RESTRICTED = {
  runAsNonRoot: true,
  runAsUser: 65534,
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};

const OWN_REFUSAL = new RegExp(
  `admission webhook "(mutate|validate)\\.${DOMAIN.replace('.', '\\.')}" denied the request`,
);

/** Checks what the API server returned for the sample pod. */
export const checkAdmission = (namespace: string, result: DryRunResult): CheckResult => {
  const at = `pod with a task in namespace ${namespace}`;
  if ('refusal' in result) {
    const message = result.refusal.replace(/\s+/g, ' ').trim();
    const isOwn = OWN_REFUSAL.test(message);
    return report(isOwn ? 'warning' : 'fail', {
      problems: [`${at}: expected admission, got: ${message}`],
      hint: isOwn ? OWN_HINT : OTHER_HINT,
    });
  }
  if (hasSidecar(result.pod)) return pass(`a ${at} gets its sidecar`);
  const problem = `${at}: expected an init container ${SIDECAR_CONTAINER}, got none`;
  return report('fail', { problems: [problem], hint: NOT_CALLED_HINT });
};

const OWN_HINT =
  'the webhook responds; choose a namespace whose tasks your policies permit with --namespace';
const OTHER_HINT =
  'if the webhook did not respond, check its pods, its caBundle and the network between API server and webhook';
const NOT_CALLED_HINT = 'the mutating webhook was not called: install the chart again';

const hasSidecar = (pod: unknown): boolean => {
  const { initContainers } = toMapping(toMapping(pod)['spec']);
  return (
    Array.isArray(initContainers) &&
    initContainers.some((each) => toMapping(each)['name'] === SIDECAR_CONTAINER)
  );
};
