import { describe, expect, test } from '@jest/globals';
import type { Pod } from '../../contract/pod.ts';
import { buildAcceptedTemplates, agentTasks, injectPod } from '../fixtures/injected-pods.ts';
import { platform } from '../fixtures/sample-platform.ts';
import { addOp, buildAddedContainer, expectDenied } from '../fixtures/rule-cases.ts';
import type { Phase } from './rule.ts';
import { evaluateRules } from './rule-evaluation.ts';

const injected = injectPod();
const debugContainer = {
  ...buildAddedContainer(),
  securityContext: { ...buildAddedContainer().securityContext, runAsNonRoot: true },
};
const debugged: Pod = {
  ...injected,
  spec: { ...injected.spec, ephemeralContainers: [debugContainer] },
};

const evaluatePod = (pod: Pod, phase: Phase, oldPod?: Pod, groups: readonly string[] = []) =>
  evaluateRules(pod, {
    platform: { ...platform, pods: { ...platform.pods, breakGlassGroup: 'oncall' } },
    templates: buildAcceptedTemplates(platform),
    phase,
    tasks: agentTasks,
    groups,
    ...(oldPod && { oldPod }),
  });

const addEphemeralContainer = (container: object): Pod => ({
  ...injected,
  spec: { ...injected.spec, ephemeralContainers: [{ ...debugContainer, ...container }] },
});

describe('an ephemeral container', () => {
  expectDenied('9', [
    [
      'one at creation',
      [addOp('/spec/ephemeralContainers', [debugContainer])],
      '/spec/ephemeralContainers/0',
    ],
  ]);

  test('breaks rule 9 in a live pod, however harmless it is', () => {
    expect(evaluatePod(injected, 'LIVE')).toEqual([]);
    expect(evaluatePod(debugged, 'LIVE')).toEqual([
      {
        rule: '9',
        path: '/spec/ephemeralContainers/0',
        expected: 'no ephemeral container in a pod with a sidecar',
        got: '"late"',
      },
    ]);
  });

  test('breaks rule 9 when it is added, not while it stays', () => {
    expect(evaluatePod(debugged, 'UPDATE', injected)).toMatchObject([{ rule: '9' }]);
    expect(evaluatePod(debugged, 'UPDATE', debugged)).toEqual([]);
  });

  test('may be added by the break-glass group, and by no other', () => {
    expect(evaluatePod(debugged, 'UPDATE', injected, ['people', 'oncall'])).toEqual([]);
    expect(evaluatePod(debugged, 'UPDATE', injected, ['people'])).toMatchObject([{ rule: '9' }]);
  });

  test('ends what a live pod may start, whoever added it', () => {
    expect(evaluatePod(debugged, 'LIVE', undefined, ['oncall'])).toMatchObject([{ rule: '9' }]);
  });

  test('targets the sidecar for nobody', () => {
    const joined = addEphemeralContainer({ targetContainerName: 'valetkey-sidecar' });
    expect(evaluatePod(joined, 'UPDATE', injected, ['oncall'])).toEqual([
      {
        rule: '9',
        path: '/spec/ephemeralContainers/0/targetContainerName',
        expected: 'any container but the sidecar, for every user',
        got: '"valetkey-sidecar"',
      },
    ]);
    const other = addEphemeralContainer({ targetContainerName: 'agent' });
    expect(evaluatePod(other, 'UPDATE', injected, ['oncall'])).toEqual([]);
  });

  test.each([
    ['3', { securityContext: { ...debugContainer.securityContext, windowsOptions: {} } }],
    ['4', { securityContext: { ...debugContainer.securityContext, privileged: true } }],
    ['6', { volumeMounts: [{ name: 'valetkey-token', mountPath: '/x' }] }],
    ['7', { env: [{ name: 'AWS_ACCESS_KEY_ID', value: 'x' }] }],
  ])('keeps rule %s when it joins, and is not asked again', (rule, container) => {
    const joined = addEphemeralContainer(container);
    const broken = evaluatePod(joined, 'UPDATE', injected, ['oncall']);
    expect(broken.map((fault) => fault.rule)).toEqual([rule]);
    expect(broken[0]?.path).toMatch(/^\/spec\/ephemeralContainers\/0\//);
    expect(evaluatePod(joined, 'UPDATE', joined)).toEqual([]);
  });

  test('that joins opens no old matter: what other containers are was judged when they came', () => {
    const [agent, ...others] = injected.spec?.containers ?? [];
    const root = { name: 'agent', ...agent, securityContext: { runAsUser: 0 } };
    const old: Pod = { ...injected, spec: { ...injected.spec, containers: [root, ...others] } };
    const joined: Pod = { ...old, spec: { ...old.spec, ephemeralContainers: [debugContainer] } };
    expect(evaluatePod(joined, 'UPDATE', old, ['oncall'])).toEqual([]);
  });
});
