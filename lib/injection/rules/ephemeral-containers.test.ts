import { describe, expect, it } from '@jest/globals';
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

describe('checkEphemeralContainers', () => {
  expectDenied('9', [
    [
      'an ephemeral container on creation',
      [addOp('/spec/ephemeralContainers', [debugContainer])],
      '/spec/ephemeralContainers/0',
    ],
  ]);

  it('reports every ephemeral container of a running pod', () => {
    expect(evaluatePod(injected, 'LIVE')).toEqual([]);
    expect(evaluatePod(debugged, 'LIVE')).toEqual([
      {
        rule: '9',
        path: '/spec/ephemeralContainers/0',
        expected: 'no ephemeral container in a pod with a sidecar',
        got: '"added"',
      },
    ]);
  });

  it('reports an ephemeral container when it is added, not afterwards', () => {
    expect(evaluatePod(debugged, 'UPDATE', injected)).toMatchObject([{ rule: '9' }]);
    expect(evaluatePod(debugged, 'UPDATE', debugged)).toEqual([]);
  });

  it('allows the break-glass group, and no other group, to add one', () => {
    expect(evaluatePod(debugged, 'UPDATE', injected, ['people', 'oncall'])).toEqual([]);
    expect(evaluatePod(debugged, 'UPDATE', injected, ['people'])).toMatchObject([{ rule: '9' }]);
  });

  it('reports it in a running pod, even if the break-glass group added it', () => {
    expect(evaluatePod(debugged, 'LIVE', undefined, ['oncall'])).toMatchObject([{ rule: '9' }]);
  });

  it('refuses a container that targets the sidecar, for every user', () => {
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

  it.each([
    ['3', { securityContext: { ...debugContainer.securityContext, windowsOptions: {} } }],
    ['4', { securityContext: { ...debugContainer.securityContext, privileged: true } }],
    ['5', { envFrom: [{ secretRef: { name: 'agent-token-x7wbn' } }] }],
    ['6', { volumeMounts: [{ name: 'valetkey-token', mountPath: '/x' }] }],
    ['7', { env: [{ name: 'AWS_ACCESS_KEY_ID', value: 'x' }] }],
  ])('evaluates rule %s when a container is added, and not afterwards', (rule, container) => {
    const joined = addEphemeralContainer(container);
    const violations = evaluatePod(joined, 'UPDATE', injected, ['oncall']);
    expect(violations.map((fault) => fault.rule)).toEqual([rule]);
    expect(violations[0]?.path).toMatch(/^\/spec\/ephemeralContainers\/0\//);
    expect(evaluatePod(joined, 'UPDATE', joined)).toEqual([]);
  });

  it('does not evaluate other containers again when one is added', () => {
    const [agent, ...others] = injected.spec?.containers ?? [];
    const root = { name: 'agent', ...agent, securityContext: { runAsUser: 0 } };
    const old: Pod = { ...injected, spec: { ...injected.spec, containers: [root, ...others] } };
    const joined: Pod = { ...old, spec: { ...old.spec, ephemeralContainers: [debugContainer] } };
    expect(evaluatePod(joined, 'UPDATE', old, ['oncall'])).toEqual([]);
  });
});
