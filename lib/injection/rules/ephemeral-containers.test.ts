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

const judge = (pod: Pod, occasion: Occasion, oldPod?: Pod, groups: readonly string[] = []) =>
  judgePod(pod, {
    platform: { ...platform, pods: { ...platform.pods, breakGlassGroup: 'oncall' } },
    profiles: acceptedFor(platform),
    occasion,
    tasks: agentTasks,
    groups,
    ...(oldPod && { oldPod }),
  });

const joinedBy = (container: object): Pod => ({
  ...injected,
  spec: { ...injected.spec, ephemeralContainers: [{ ...debugger_, ...container }] },
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

  test('may be added by the break-glass group, and by no other', () => {
    expect(judge(debugged, 'UPDATE', injected, ['people', 'oncall'])).toEqual([]);
    expect(judge(debugged, 'UPDATE', injected, ['people'])).toMatchObject([{ rule: '9' }]);
  });

  test('ends what a live pod may start, whoever added it', () => {
    expect(judge(debugged, 'LIVE', undefined, ['oncall'])).toMatchObject([{ rule: '9' }]);
  });

  test('targets the sidecar for nobody', () => {
    const joined = joinedBy({ targetContainerName: 'valetkey-sidecar' });
    expect(judge(joined, 'UPDATE', injected, ['oncall'])).toEqual([
      {
        rule: '9',
        path: '/spec/ephemeralContainers/0/targetContainerName',
        expected: 'any container but the sidecar, whoever asks',
        got: '"valetkey-sidecar"',
      },
    ]);
    const other = joinedBy({ targetContainerName: 'agent' });
    expect(judge(other, 'UPDATE', injected, ['oncall'])).toEqual([]);
  });

  test.each([
    ['3', { securityContext: { ...debugger_.securityContext, windowsOptions: {} } }],
    ['4', { securityContext: { ...debugger_.securityContext, privileged: true } }],
    ['6', { volumeMounts: [{ name: 'valetkey-token', mountPath: '/x' }] }],
    ['7', { env: [{ name: 'AWS_ACCESS_KEY_ID', value: 'x' }] }],
  ])('keeps rule %s when it joins, and is not asked again', (rule, container) => {
    const joined = joinedBy(container);
    const broken = judge(joined, 'UPDATE', injected, ['oncall']);
    expect(broken.map((fault) => fault.rule)).toEqual([rule]);
    expect(broken[0]?.path).toMatch(/^\/spec\/ephemeralContainers\/0\//);
    expect(judge(joined, 'UPDATE', joined)).toEqual([]);
  });

  test('that joins opens no old matter: what other containers are was judged when they came', () => {
    const [agent, ...others] = injected.spec?.containers ?? [];
    const root = { name: 'agent', ...agent, securityContext: { runAsUser: 0 } };
    const old: Pod = { ...injected, spec: { ...injected.spec, containers: [root, ...others] } };
    const joined: Pod = { ...old, spec: { ...old.spec, ephemeralContainers: [debugger_] } };
    expect(judge(joined, 'UPDATE', old, ['oncall'])).toEqual([]);
  });
});
