import type { Platform } from '../../lib/contract/platform.ts';
import { buildTask } from '../../lib/injection/fixtures/sample-platform.ts';
import { succeed } from '../../lib/schema/field-error.ts';
import { createInProcessAdmission, type InProcessAdmission } from '../kit/in-process-admission.ts';
import { mergePlatform } from './platforms.ts';
import type { GoldenPod } from './pods.ts';

type Fixture = Pick<GoldenPod, 'platform' | 'tasks' | 'purpose'>;

/** Both webhooks for pods, with the settings of a case. */
export const createAdmission = (
  base: Platform,
  fixture: Fixture = { platform: {} },
): InProcessAdmission => {
  const platform = mergePlatform(base, fixture.platform);
  const { tasks, purpose } = fixture;
  const declared = Object.entries(tasks ?? {}).map(([name, containers]) => ({
    ...buildTask(name, containers),
    ...(purpose !== undefined && { purpose }),
  }));
  return createInProcessAdmission({
    platform,
    hasStarterPolicy: platform.authority !== undefined,
    findUpstreamUrl: (name) => `https://${name}.example`,
    ...(tasks !== undefined && { readTasks: () => Promise.resolve(succeed(declared)) }),
    readPodContext: ({ serviceAccount }) =>
      Promise.resolve({ labels: {}, serviceAccount: { name: serviceAccount, annotations: {} } }),
  });
};
