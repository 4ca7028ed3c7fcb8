import { describe, expect, it } from '@jest/globals';
import type { Platform } from '../../contract/platform.ts';
import type { Pod } from '../../contract/pod.ts';
import {
  SIDECAR,
  AGENT,
  HELPER,
  addOp,
  removeOp,
  type RuleCase,
  findViolations,
  expectDenied,
  expectAllowed,
  buildNativeSidecar,
  buildAddedContainer,
} from '../fixtures/rule-cases.ts';
import { platform } from '../fixtures/sample-platform.ts';
import {
  buildAcceptedTemplates,
  agentPod,
  agentTasks,
  injectPod,
  evaluateNewPod,
} from '../fixtures/injected-pods.ts';
import { evaluateRules } from './rule-evaluation.ts';

describe('checkSidecarEquality', () => {
  expectDenied('2', [
    ['no sidecar', [removeOp(SIDECAR)], '/spec/initContainers'],
    ['two sidecars', [addOp(SIDECAR, { name: 'valetkey-sidecar' })], '/spec/initContainers'],
    ['an ordinary init container before it', [addOp(SIDECAR, { name: 'early' })]],
    [
      'an unknown template',
      [addOp(`${SIDECAR}/env`, [{ name: 'VALETKEY_INJECTION_TEMPLATE', value: 'ab' }])],
    ],
    ['another image', [addOp(`${SIDECAR}/image`, 'evil:1')]],
    ['another command', [addOp(`${SIDECAR}/command/1`, '--inspect')], `${SIDECAR}/command`],
    ['arguments', [addOp(`${SIDECAR}/args`, ['--inspect'])]],
    ['no restart', [removeOp(`${SIDECAR}/restartPolicy`)]],
    ['envFrom', [addOp(`${SIDECAR}/envFrom`, [{ configMapRef: { name: 'evil' } }])]],
    ['a lifecycle hook', [addOp(`${SIDECAR}/lifecycle`, { postStart: {} })]],
    ['a liveness probe', [addOp(`${SIDECAR}/livenessProbe`, {})]],
    ['a terminal', [addOp(`${SIDECAR}/tty`, true)]],
    ['root', [addOp(`${SIDECAR}/securityContext/runAsUser`, 0)]],
    ['a capability', [addOp(`${SIDECAR}/securityContext/capabilities/add`, ['SYS_PTRACE'])]],
    ['a privilege', [addOp(`${SIDECAR}/securityContext/privileged`, true)]],
    ['less memory', [addOp(`${SIDECAR}/resources/limits/memory`, '8Mi')]],
    ['less cpu than works', [addOp(`${SIDECAR}/resources/requests/cpu`, '9m')]],
    ['a cpu limit that throttles', [addOp(`${SIDECAR}/resources/limits/cpu`, '49m')]],
    [
      'a list of capabilities instead of all',
      [addOp(`${SIDECAR}/securityContext/capabilities/drop`, ['MKNOD'])],
    ],
    [
      'a dropped capability that is none',
      [addOp(`${SIDECAR}/securityContext/capabilities/drop/-`, 'any')],
      `${SIDECAR}/securityContext/capabilities/drop`,
    ],
    ['a lifted proc mask', [addOp(`${SIDECAR}/securityContext/procMount`, 'Unmasked')]],
    ['a resource that no plugin adds', [addOp(`${SIDECAR}/resources/limits/nvidia.com~1gpu`, '1')]],
    ['resource claims', [addOp(`${SIDECAR}/resources/claims`, [{ name: 'x' }])]],
    [
      'an additional mount',
      [addOp(`${SIDECAR}/volumeMounts/-`, { name: 'x', mountPath: '/x' })],
      `${SIDECAR}/volumeMounts/3`,
    ],
    ['a resize that restarts', [addOp(`${SIDECAR}/resizePolicy`, [{ resourceName: 'cpu' }])]],
    [
      'an additional variable',
      [addOp(`${SIDECAR}/env/-`, { name: 'HTTPS_PROXY', value: 'http://evil' })],
      `${SIDECAR}/env/18`,
    ],
    [
      'a variable set twice',
      [addOp(`${SIDECAR}/env/-`, { name: 'VALETKEY_TRUST', value: 'cluster' })],
      `${SIDECAR}/env/18`,
    ],
    [
      'another token volume',
      [addOp('/spec/volumes/0', { name: 'valetkey-token', emptyDir: {} })],
      '/spec/volumes/0/projected',
    ],
    ['a world-readable volume mode', [addOp('/spec/volumes/0/projected/defaultMode', 0o777)]],
    ['no volume for a consumer', [removeOp('/spec/volumes/1')], '/spec/volumes/-'],
    ['a volume on disk', [removeOp('/spec/volumes/1/emptyDir/medium')]],
    ['no label', [removeOp('/metadata/labels/valetkey.dev~1injected')]],
    ['the API token requested again', [addOp('/spec/automountServiceAccountToken', true)]],
    ['automountServiceAccountToken unset', [removeOp('/spec/automountServiceAccountToken')]],
    [
      'the API token mounted again',
      [addOp('/spec/volumes/-', { name: 'kube-api-access-x', projected: { sources: [] } })],
      '/spec/volumes/3',
    ],
    ['a consumer without its mount', [removeOp(`${AGENT}/volumeMounts`)]],
    ['a consumer without its variables', [removeOp(`${HELPER}/env`)]],
    [
      'other tasks than declared',
      [
        addOp(
          `${SIDECAR}/env/17/value`,
          JSON.stringify({ consumers: ['agent', 'helper'], tasks: [] }),
        ),
      ],
    ],
    [
      'fewer consumers than declared',
      [addOp(`${SIDECAR}/env/17/value`, JSON.stringify({ consumers: ['agent'], tasks: [] }))],
      `${SIDECAR}/env`,
    ],
  ]);
  expectAllowed('2', [
    ['a native sidecar before it', [addOp(SIDECAR, buildNativeSidecar())]],
    [
      'another dropped capability',
      [addOp(`${SIDECAR}/securityContext/capabilities/drop/-`, 'MKNOD')],
    ],
    ['a written default', [addOp(`${SIDECAR}/securityContext/privileged`, false)]],
    ['empty arguments', [addOp(`${SIDECAR}/args`, [])]],
    ['the least amounts', [addOp(`${SIDECAR}/resources/requests`, { cpu: '10m', memory: '64Mi' })]],
    ['a cpu limit', [addOp(`${SIDECAR}/resources/limits/cpu`, '50m')]],
    ['AlwaysPullImages', [addOp(`${SIDECAR}/imagePullPolicy`, 'Always')]],
    ['an amount in another notation', [addOp(`${SIDECAR}/resources/limits/memory`, '98304Ki')]],
    [
      'a container that another mutator added',
      [addOp('/spec/containers/-', buildAddedContainer())],
    ],
    [
      'variables in another order',
      [removeOp(`${SIDECAR}/env/0`), addOp(`${SIDECAR}/env/-`, { name: 'NODE_OPTIONS' })],
    ],
  ]);

  it('rule 2 requires the sidecar before a native sidecar that is a consumer', () => {
    const native = { ...buildNativeSidecar(), name: 'cache' };
    const pod = { ...agentPod, spec: { ...agentPod.spec, initContainers: [native] } };
    const tasks = agentTasks.map((task) => ({ ...task, containers: ['cache'] }));
    const injected = injectPod({ pod, tasks });
    expect(injected.spec?.initContainers?.map(({ name }) => name)).toEqual([
      'valetkey-sidecar',
      'cache',
    ]);
    const [first, second] = injected.spec?.initContainers ?? [];
    const swapped = {
      ...injected,
      spec: { ...injected.spec, initContainers: [second, first] },
    } as Pod;
    expect(evaluateNewPod(injected, { tasks })).toEqual([]);
    expect(evaluateNewPod(swapped, { tasks })).toMatchObject([{ path: SIDECAR, rule: '2' }]);
  });

  const digest = `mirror.example/valetkey@sha256:${'0'.repeat(64)}`;
  const accepting: Platform = {
    ...platform,
    sidecar: {
      ...platform.sidecar,
      allowedChanges: {
        images: [digest],
        env: ['HTTPS_PROXY', 'NODE_EXTRA_CA_CERTS'],
        maxResources: { memory: '256Mi', cpu: '1' },
      },
    },
  };

  it.each<RuleCase>([
    ['an image', [addOp(`${SIDECAR}/image`, digest)]],
    ['a variable', [addOp(`${SIDECAR}/env/-`, { name: 'HTTPS_PROXY', value: 'x' })]],
    ['more memory', [addOp(`${SIDECAR}/resources/limits/memory`, '256Mi')]],
    ['more cpu', [addOp(`${SIDECAR}/resources/requests/cpu`, '500m')]],
  ])('rule 2 allows %s that the platform accepts', (_, changes) => {
    expect(findViolations(changes, accepting)).toEqual([]);
  });

  it.each<RuleCase>([
    ['another image', [addOp(`${SIDECAR}/image`, `${digest}0`)]],
    ['a variable of the runtime', [addOp(`${SIDECAR}/env/-`, { name: 'NODE_EXTRA_CA_CERTS' })]],
    ['too much memory', [addOp(`${SIDECAR}/resources/limits/memory`, '257Mi')]],
    ['less cpu than injected', [addOp(`${SIDECAR}/resources/requests/cpu`, '1m')]],
  ])('rule 2 refuses %s that the platform does not accept', (_, changes) => {
    expect(findViolations(changes, accepting)).toMatchObject([{ rule: '2' }]);
  });

  it('rule 2 compares with the template that the pod names, not with the newest', () => {
    const older = { ...platform, sidecar: { ...platform.sidecar, image: 'valetkey:old' } };
    const pod = injectPod({ platform: older });
    const context = { platform, phase: 'CREATE' as const, tasks: agentTasks };
    const both = new Map([...buildAcceptedTemplates(platform), ...buildAcceptedTemplates(older)]);
    expect(evaluateRules(pod, { ...context, templates: both })).toEqual([]);
    expect(
      evaluateRules(pod, { ...context, templates: buildAcceptedTemplates(platform) }),
    ).toMatchObject([{ rule: '2', path: `${SIDECAR}/env` }]);
  });

  it('rule 2 allows the API token if the platform allows the author to request it', () => {
    const pods = { ...platform.pods, allowApiToken: true };
    const pod = { ...agentPod, spec: { ...agentPod.spec, automountServiceAccountToken: true } };
    const settings = { ...platform, pods };
    expect(evaluateNewPod(injectPod({ pod, platform: settings }), { platform: settings })).toEqual(
      [],
    );
  });
});
