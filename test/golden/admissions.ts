import { judgeTasksBy } from '../../cmd/webhook/task-judgement.ts';
import type { AdmissionRequest } from '../../lib/admission/review.ts';
import { openCatalogue } from '../../lib/catalogue/catalogue.ts';
import type { Platform } from '../../lib/contract/platform.ts';
import type { PodAdmissionSettings } from '../../lib/injection/admission-settings.ts';
import { declaredTasks } from '../../lib/injection/declared-tasks.ts';
import { ROOTS, taskFor } from '../../lib/injection/fixtures/platform.ts';
import { podAdmission, type PodAdmission } from '../../lib/injection/pod-admission.ts';
import { profileOf } from '../../lib/injection/profile.ts';
import { openPolicies } from '../../lib/policy/policies.ts';
import { STARTER_POLICY } from '../../lib/policy/starter.ts';
import { succeed } from '../../lib/reading/fault.ts';
import { mergePlatform } from './platforms.ts';
import type { GoldenPod } from './pods.ts';

export const loadCatalogue = openCatalogue();

const starterPolicies = openPolicies([{ name: 'valetkey-starter', cedar: STARTER_POLICY }]);

type JudgeTasks = NonNullable<PodAdmissionSettings['judgeTasks']>;

const judgeTasksOf = (platform: Platform): JudgeTasks | undefined => {
  const { authority } = platform;
  if (authority === undefined) return undefined;
  return judgeTasksBy({
    ...{ platform, authority, loadCatalogue },
    policies: { current: () => starterPolicies },
    readNamespaceLabels: () => Promise.resolve({ 'valetkey.dev/tasks': 'allowed' }),
  });
};

type Fixture = Pick<GoldenPod, 'platform' | 'tasks' | 'purpose'>;

/** Both webhooks for pods, with the settings of a case. */
export const openAdmission = (
  base: Platform,
  fixture: Fixture = { platform: {} },
): PodAdmission => {
  const platform = mergePlatform(base, fixture.platform);
  const published = profileOf(platform, platform.trust === 'authority' ? ROOTS : undefined);
  const { tasks, purpose } = fixture;
  const given = Object.entries(tasks ?? {}).map(([name, containers]) => ({
    ...taskFor(name, containers),
    ...(purpose !== undefined && { purpose }),
  }));
  const judgeTasks = judgeTasksOf(platform);
  return podAdmission({
    platform,
    published: () => published,
    profiles: () => new Map(),
    readTasks:
      tasks === undefined
        ? declaredTasks(platform, loadCatalogue)
        : () => Promise.resolve(succeed(given)),
    ...(judgeTasks && { judgeTasks }),
    readSurroundings: ({ serviceAccount }) =>
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
