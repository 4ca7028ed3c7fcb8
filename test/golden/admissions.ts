import { createTaskChecker } from '../../cmd/webhook/task-judgement.ts';
import type { AdmissionRequest } from '../../lib/admission/review.ts';
import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { PodAdmissionDeps } from '../../lib/injection/admission-deps.ts';
import { createTaskReader } from '../../lib/injection/declared-tasks.ts';
import { TRUST_BUNDLE, buildTask } from '../../lib/injection/fixtures/sample-platform.ts';
import { createPodAdmission, type PodAdmission } from '../../lib/injection/admission.ts';
import { buildInjectionTemplate } from '../../lib/injection/injection-template.ts';
import { compilePolicies } from '../../lib/policy/compiled-policies.ts';
import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';
import { succeed } from '../../lib/schema/field-error.ts';
import { mergePlatform } from './platforms.ts';
import type { GoldenPod } from './pods.ts';

export const loadCatalog = createCatalogLoader();

const starterPolicies = compilePolicies([{ name: 'valetkey-starter', cedar: STARTER_POLICY }]);

type EvaluatePolicy = NonNullable<PodAdmissionDeps['evaluatePolicy']>;

const createPolicyEvaluator = (platform: Platform): EvaluatePolicy | undefined => {
  const { authority } = platform;
  if (authority === undefined) return undefined;
  return createTaskChecker({
    ...{ platform, authority, loadCatalog },
    policies: { current: () => starterPolicies },
    readNamespaceLabels: () => Promise.resolve({ 'valetkey.dev/tasks': 'allowed' }),
  });
};

type Fixture = Pick<GoldenPod, 'platform' | 'tasks' | 'purpose'>;

/** Both webhooks for pods, with the settings of a case. */
export const createAdmission = (
  base: Platform,
  fixture: Fixture = { platform: {} },
): PodAdmission => {
  const platform = mergePlatform(base, fixture.platform);
  const published = buildInjectionTemplate(
    platform,
    platform.trust === 'authority' ? TRUST_BUNDLE : undefined,
  );
  const { tasks, purpose } = fixture;
  const given = Object.entries(tasks ?? {}).map(([name, containers]) => ({
    ...buildTask(name, containers),
    ...(purpose !== undefined && { purpose }),
  }));
  const evaluatePolicy = createPolicyEvaluator(platform);
  return createPodAdmission({
    platform,
    published: () => published,
    templates: () => new Map(),
    readTasks:
      tasks === undefined
        ? createTaskReader(platform, loadCatalog)
        : () => Promise.resolve(succeed(given)),
    ...(evaluatePolicy && { evaluatePolicy }),
    readPodContext: ({ serviceAccount }) =>
      Promise.resolve({ labels: {}, serviceAccount: { name: serviceAccount, annotations: {} } }),
  });
};

export const podRequest = (
  object: unknown,
  more: Partial<AdmissionRequest> = {},
): AdmissionRequest => ({
  ...{ uid: 'a-uid', operation: 'CREATE', subResource: '', namespace: 'research', name: '' },
  kind: { group: '', version: 'v1', kind: 'Pod' },
  dryRun: false,
  user: { name: 'author', groups: [] },
  object,
  ...more,
});
