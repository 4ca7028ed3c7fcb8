import { describe, expect, it } from '@jest/globals';
import { createCatalogLoader } from '../catalog/catalog.ts';
import type { Pod } from '../contract/pod.ts';
import type { Task } from '../contract/task.ts';
import { platform } from '../injection/fixtures/sample-platform.ts';
import {
  buildAcceptedTemplates,
  agentPod,
  applyApiDefaults,
  injectPod,
} from '../injection/fixtures/injected-pods.ts';
import { evaluateLivePod } from '../injection/live-pod.ts';
import { createTaskRevalidator } from '../task/revalidation.ts';
import { AUDIENCE, claims, livePod, review } from './fixtures/workload-identity.ts';
import { createWorkloadIdentifier } from './workload-identification.ts';

const task: Task = {
  name: 'summarize',
  provider: 'aws',
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/*'] }],
  params: {},
  lifetimeSeconds: 600,
  delivery: 'vend',
  containers: ['agent'],
  default: false,
  exclusive: false,
};

/**
 * A pod at the API server, equal to the result of injection for these tasks; but admission never
 * checked whether they may be declared.
 */
const buildManualPod = (tasks: readonly Task[]): Pod => {
  const pod = applyApiDefaults(injectPod({ pod: agentPod, tasks }));
  return {
    ...pod,
    ...{ metadata: { ...pod.metadata, ...livePod.metadata }, status: livePod.status },
    spec: { ...pod.spec, ...{ serviceAccountName: 'agent', nodeName: 'node-1' } },
  };
};

const identifyPod = (pod: Pod, annotations: Readonly<Record<string, string>> = {}) =>
  createWorkloadIdentifier({
    audience: AUDIENCE,
    readPod: () => Promise.resolve(pod),
    reviewToken: () => Promise.resolve(review),
    readNamespaceLabels: () => Promise.resolve({}),
    readServiceAccount: () => Promise.resolve(annotations),
    evaluatePod: (raw, { serviceAccount }) =>
      evaluateLivePod(raw, {
        ...{ platform, templates: buildAcceptedTemplates(platform) },
        ...(serviceAccount && { serviceAccount }),
      }),
    revalidateTasks: createTaskRevalidator({
      limits: platform.tasks,
      cloud: platform.cloud,
      loadCatalog: createCatalogLoader(),
    }),
  })(claims, 'token');

describe('createWorkloadIdentifier', () => {
  it('identifies an injected pod with the tasks that it declares', async () => {
    expect(await identifyPod(buildManualPod([task]))).toMatchObject({
      admitted: { consumers: ['agent'], tasks: [task] },
      templateHash: [...buildAcceptedTemplates(platform).keys()][0],
    });
  });

  it.each<readonly [string, Partial<Task>, RegExp]>([
    [
      'an action that mints credentials',
      { allow: [{ actions: ['sts:AssumeRole'], resources: ['arn:aws:iam::111122223333:role/x'] }] },
      /allow\[0\].actions\[0\]: .*issues AWS credentials that outlive the run/,
    ],
    ['a lifetime of ten days', { lifetimeSeconds: 864_000 }, /lifetime: expected a lifetime/],
  ])(
    'refuses a pod whose sidecar was written by hand, with %s',
    async (_what, changes, message) => {
      await expect(identifyPod(buildManualPod([{ ...task, ...changes }]))).rejects.toMatchObject({
        kind: 'refused',
        code: 'tasks_invalid',
        message: expect.stringMatching(message),
      });
    },
  );

  it.each([
    'eks.amazonaws.com/role-arn',
    'azure.workload.identity/client-id',
    'iam.gke.io/gcp-service-account',
  ])('refuses a pod whose service account was annotated with %s after admission', async (name) => {
    await expect(identifyPod(buildManualPod([task]), { [name]: 'x' })).rejects.toMatchObject({
      kind: 'refused',
      code: 'pod_noncompliant',
      message: expect.stringMatching(
        /^ServiceAccount research\/agent \/metadata\/annotations\/.*\(rule 7\)$/,
      ),
    });
  });

  it('refuses a pod without a sidecar by its rule', async () => {
    const bare = buildManualPod([task]);
    const pod = { ...bare, spec: { ...bare.spec, initContainers: [] } };
    await expect(identifyPod(pod)).rejects.toMatchObject({
      code: 'pod_noncompliant',
      message: expect.stringMatching(/\(rule 2\)/),
    });
  });
});
