import { describe, expect, test } from '@jest/globals';
import type { Platform } from '../../contract/platform.ts';
import type { Pod } from '../../contract/pod.ts';
import {
  SIDECAR,
  AGENT,
  HELPER,
  add,
  remove,
  type Case,
  found,
  refuses,
  allows,
  nativeSidecar,
  lateContainer,
} from '../fixtures/cases.ts';
import { platform } from '../fixtures/platform.ts';
import { acceptedFor, agentPod, agentTasks, inject, judgeNew } from '../fixtures/pods.ts';
import { judgePod } from './rules.ts';

describe('the sidecar', () => {
  refuses('2', [
    ['no sidecar', [remove(SIDECAR)], '/spec/initContainers'],
    ['two sidecars', [add(SIDECAR, { name: 'valetkey-sidecar' })], '/spec/initContainers'],
    ['an ordinary init container before it', [add(SIDECAR, { name: 'early' })]],
    ['an unknown profile', [add(`${SIDECAR}/env`, [{ name: 'VALETKEY_PROFILE', value: 'ab' }])]],
    ['another image', [add(`${SIDECAR}/image`, 'evil:1')]],
    ['another command', [add(`${SIDECAR}/command/1`, '--inspect')], `${SIDECAR}/command`],
    ['arguments', [add(`${SIDECAR}/args`, ['--inspect'])]],
    ['no restart', [remove(`${SIDECAR}/restartPolicy`)]],
    ['envFrom', [add(`${SIDECAR}/envFrom`, [{ configMapRef: { name: 'evil' } }])]],
    ['a lifecycle hook', [add(`${SIDECAR}/lifecycle`, { postStart: {} })]],
    ['a liveness probe', [add(`${SIDECAR}/livenessProbe`, {})]],
    ['a terminal', [add(`${SIDECAR}/tty`, true)]],
    ['root', [add(`${SIDECAR}/securityContext/runAsUser`, 0)]],
    ['a capability', [add(`${SIDECAR}/securityContext/capabilities/add`, ['SYS_PTRACE'])]],
    ['a privilege', [add(`${SIDECAR}/securityContext/privileged`, true)]],
    ['less memory', [add(`${SIDECAR}/resources/limits/memory`, '8Mi')]],
    ['a resource that nobody adds', [add(`${SIDECAR}/resources/limits/nvidia.com~1gpu`, '1')]],
    ['resource claims', [add(`${SIDECAR}/resources/claims`, [{ name: 'x' }])]],
    [
      'a further mount',
      [add(`${SIDECAR}/volumeMounts/-`, { name: 'x', mountPath: '/x' })],
      `${SIDECAR}/volumeMounts/3`,
    ],
    ['a resize that restarts', [add(`${SIDECAR}/resizePolicy`, [{ resourceName: 'cpu' }])]],
    [
      'a further variable',
      [add(`${SIDECAR}/env/-`, { name: 'HTTPS_PROXY', value: 'http://evil' })],
      `${SIDECAR}/env/15`,
    ],
    [
      'a variable twice',
      [add(`${SIDECAR}/env/-`, { name: 'VALETKEY_TRUST', value: 'cluster' })],
      `${SIDECAR}/env/15`,
    ],
    [
      'another token volume',
      [add('/spec/volumes/0', { name: 'valetkey-token', emptyDir: {} })],
      '/spec/volumes/0/projected',
    ],
    ['a readable volume mode', [add('/spec/volumes/0/projected/defaultMode', 0o777)]],
    ['no volume for a consumer', [remove('/spec/volumes/1')], '/spec/volumes/-'],
    ['a volume on disk', [remove('/spec/volumes/1/emptyDir/medium')]],
    ['no label', [remove('/metadata/labels/valetkey.dev~1injected')]],
    ['the API token wished again', [add('/spec/automountServiceAccountToken', true)]],
    ['the API token left open', [remove('/spec/automountServiceAccountToken')]],
    [
      'the API token mounted again',
      [add('/spec/volumes/-', { name: 'kube-api-access-x', projected: { sources: [] } })],
      '/spec/volumes/3',
    ],
    ['a consumer without its mount', [remove(`${AGENT}/volumeMounts`)]],
    ['a consumer without its variables', [remove(`${HELPER}/env`)]],
    [
      'other tasks than are declared',
      [
        add(
          `${SIDECAR}/env/14/value`,
          JSON.stringify({ consumers: ['agent', 'helper'], tasks: [] }),
        ),
      ],
    ],
    [
      'fewer consumers than are declared',
      [add(`${SIDECAR}/env/14/value`, JSON.stringify({ consumers: ['agent'], tasks: [] }))],
      `${SIDECAR}/env`,
    ],
  ]);
  allows('2', [
    ['a native sidecar before it', [add(SIDECAR, nativeSidecar())]],
    ['AlwaysPullImages', [add(`${SIDECAR}/imagePullPolicy`, 'Always')]],
    ['an amount in other words', [add(`${SIDECAR}/resources/limits/memory`, '98304Ki')]],
    ['a container that another mutator added', [add('/spec/containers/-', lateContainer())]],
    [
      'variables in another order',
      [remove(`${SIDECAR}/env/0`), add(`${SIDECAR}/env/-`, { name: 'NODE_OPTIONS' })],
    ],
  ]);

  test('rule 2 counts a native sidecar that is a consumer as one that waits', () => {
    const native = { ...nativeSidecar(), name: 'cache' };
    const pod = { ...agentPod, spec: { ...agentPod.spec, initContainers: [native] } };
    const tasks = agentTasks.map((task) => ({ ...task, containers: ['cache'] }));
    const injected = inject({ pod, tasks });
    expect(injected.spec?.initContainers?.map(({ name }) => name)).toEqual([
      'valetkey-sidecar',
      'cache',
    ]);
    const [first, second] = injected.spec?.initContainers ?? [];
    const swapped = {
      ...injected,
      spec: { ...injected.spec, initContainers: [second, first] },
    } as Pod;
    expect(judgeNew(injected, { tasks })).toEqual([]);
    expect(judgeNew(swapped, { tasks })).toMatchObject([{ path: SIDECAR, rule: '2' }]);
  });

  const digest = `mirror.example/valetkey@sha256:${'0'.repeat(64)}`;
  const accepting: Platform = {
    ...platform,
    sidecar: {
      ...platform.sidecar,
      accept: {
        images: [digest],
        env: ['HTTPS_PROXY', 'NODE_EXTRA_CA_CERTS'],
        maxResources: { memory: '256Mi', cpu: '1' },
      },
    },
  };

  test.each<Case>([
    ['an image', [add(`${SIDECAR}/image`, digest)]],
    ['a variable', [add(`${SIDECAR}/env/-`, { name: 'HTTPS_PROXY', value: 'x' })]],
    ['more memory', [add(`${SIDECAR}/resources/limits/memory`, '256Mi')]],
    ['more cpu', [add(`${SIDECAR}/resources/requests/cpu`, '500m')]],
  ])('rule 2 allows %s that the platform accepts', (_, changes) => {
    expect(found(changes, accepting)).toEqual([]);
  });

  test.each<Case>([
    ['another image', [add(`${SIDECAR}/image`, `${digest}0`)]],
    ['a variable of the runtime', [add(`${SIDECAR}/env/-`, { name: 'NODE_EXTRA_CA_CERTS' })]],
    ['too much memory', [add(`${SIDECAR}/resources/limits/memory`, '257Mi')]],
    ['less than ours', [add(`${SIDECAR}/resources/requests/cpu`, '1m')]],
  ])('rule 2 refuses %s all the same', (_, changes) => {
    expect(found(changes, accepting)).toMatchObject([{ rule: '2' }]);
  });

  test('rule 2 judges by the profile that the pod names, not by the newest', () => {
    const older = { ...platform, sidecar: { ...platform.sidecar, image: 'valetkey:old' } };
    const pod = inject({ platform: older });
    const context = { platform, occasion: 'CREATE' as const, tasks: agentTasks };
    const both = new Map([...acceptedFor(platform), ...acceptedFor(older)]);
    expect(judgePod(pod, { ...context, profiles: both })).toEqual([]);
    expect(judgePod(pod, { ...context, profiles: acceptedFor(platform) })).toMatchObject([
      { rule: '2', path: `${SIDECAR}/env` },
    ]);
  });

  test('rule 2 lets the API token be where its author may wish for it', () => {
    const pods = { ...platform.pods, allowApiToken: true };
    const pod = { ...agentPod, spec: { ...agentPod.spec, automountServiceAccountToken: true } };
    const settings = { ...platform, pods };
    expect(judgeNew(inject({ pod, platform: settings }), { platform: settings })).toEqual([]);
  });
});
