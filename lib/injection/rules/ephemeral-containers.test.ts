import { describe, expect, test } from '@jest/globals';
import type { Pod } from '../../contract/pod.ts';
import { acceptedFor, agentTasks, inject } from '../fixtures/pods.ts';
import { platform } from '../fixtures/platform.ts';
import { add, lateContainer, refuses } from '../fixtures/cases.ts';
import type { Occasion } from './rule.ts';
import { judgePod } from './rules.ts';

const injected = inject();
const debugger_ = {
  ...lateContainer(),
  securityContext: { ...lateContainer().securityContext, runAsNonRoot: true },
};
const debugged: Pod = { ...injected, spec: { ...injected.spec, ephemeralContainers: [debugger_] } };

const judge = (pod: Pod, occasion: Occasion, oldPod?: Pod) =>
  judgePod(pod, {
    platform,
    profiles: acceptedFor(platform),
    occasion,
    tasks: agentTasks,
    ...(oldPod && { oldPod }),
  });

describe('an ephemeral container', () => {
  refuses('9', [
    [
      'one at creation',
      [add('/spec/ephemeralContainers', [debugger_])],
      '/spec/ephemeralContainers/0',
    ],
  ]);

  test('breaks rule 9 in a live pod, however harmless it is', () => {
    expect(judge(injected, 'LIVE')).toEqual([]);
    expect(judge(debugged, 'LIVE')).toEqual([
      {
        rule: '9',
        path: '/spec/ephemeralContainers/0',
        expected: 'no ephemeral container in a pod with a sidecar',
        got: '"late"',
      },
    ]);
  });

  test('breaks rule 9 when it is added, not while it stays', () => {
    expect(judge(debugged, 'UPDATE', injected)).toMatchObject([{ rule: '9' }]);
    expect(judge(debugged, 'UPDATE', debugged)).toEqual([]);
  });
});
