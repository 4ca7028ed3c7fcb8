import { describe, expect, it } from '@jest/globals';
import type { Platform } from '../contract/platform.ts';
import type { Container, Pod } from '../contract/pod.ts';
import { isApiTokenContainer, type ApiTokenOptions } from './api-token.ts';
import type { PlacedContainer } from './containers.ts';
import { buildAcceptedTemplates } from './fixtures/injected-pods.ts';
import { platform, buildTask } from './fixtures/sample-platform.ts';
import { applyPatch } from './json-patch.ts';
import { planInjection } from './injection-plan.ts';
import { buildInjectionTemplate } from './injection-template.ts';
import { buildPatch } from './patch.ts';
import { evaluateRules } from './rules/rule-evaluation.ts';

const CONTROLLER = 'system:serviceaccount:argo:argo';
const IMAGE = 'registry.example:5000/argoproj/argoexec';

const listing: Platform = {
  ...platform,
  pods: {
    ...platform.pods,
    apiTokenContainers: [{ name: 'wait', image: IMAGE, createdBy: CONTROLLER }],
  },
};

const place = (container: Container, list: PlacedContainer['list'] = 'containers') => ({
  ...{ container, list, index: 0 },
  path: `/spec/${list}/0`,
});

const keepsToken = (placed: PlacedContainer, options: Partial<ApiTokenOptions> = {}): boolean =>
  isApiTokenContainer(placed, {
    ...{ platform: listing, consumers: ['main'], createdBy: CONTROLLER },
    ...options,
  });

describe('isApiTokenContainer', () => {
  it.each([`${IMAGE}:v3.7`, `${IMAGE}@sha256:${'0'.repeat(64)}`, `${IMAGE}:v3.7@sha256:ab`, IMAGE])(
    'keeps the token of a listed container with the image %s',
    (image) => {
      expect(keepsToken(place({ name: 'wait', image }))).toBe(true);
    },
  );

  it.each([
    ['another image', { name: 'wait', image: 'registry.example/agent:1' }],
    ['an image whose name only begins alike', { name: 'wait', image: `${IMAGE}-evil:1` }],
    ['an image of the same path in another registry', { name: 'wait', image: 'argoproj/argoexec' }],
    ['no image', { name: 'wait' }],
    ['another name', { name: 'init', image: IMAGE }],
  ])('removes the token of a container with %s', (_, container) => {
    expect(keepsToken(place(container))).toBe(false);
  });

  const listed = place({ name: 'wait', image: IMAGE });

  it('removes the token of a consumer', () => {
    expect(keepsToken(listed, { consumers: ['wait'] })).toBe(false);
  });

  it('removes the token of an ephemeral container', () => {
    expect(keepsToken(place(listed.container, 'ephemeralContainers'))).toBe(false);
  });

  it('removes the token if another user creates the pod', () => {
    expect(keepsToken(listed, { createdBy: 'author' })).toBe(false);
    expect(keepsToken(listed, { createdBy: '' })).toBe(false);
  });

  it('lists no container by default', () => {
    expect(keepsToken(listed, { platform })).toBe(false);
  });
});

describe('the API token of a listed container', () => {
  const volume = 'kube-api-access-x';
  const mount = { name: volume, mountPath: '/var/run/secrets/kubernetes.io/serviceaccount' };
  const pod: Pod = {
    metadata: { name: 'a', annotations: { 'task.valetkey.dev/summarize': '' } },
    spec: {
      securityContext: { runAsNonRoot: true },
      containers: [
        { name: 'wait', image: IMAGE, volumeMounts: [mount] },
        { name: 'main', image: 'agent:1', volumeMounts: [mount] },
      ],
      volumes: [
        { name: volume, projected: { sources: [{ serviceAccountToken: { path: 'token' } }] } },
      ],
    },
  };
  const tasks = [buildTask('summarize', ['main'])];

  const inject = (user: string) =>
    planInjection({
      ...{ pod, tasks, platform: listing, published: buildInjectionTemplate(listing), user },
    });

  const injected = (): Pod => {
    const plan = inject(CONTROLLER);
    if (!plan.ok) throw new Error('the plan failed');
    return applyPatch(pod, buildPatch(pod, plan.value)) as Pod;
  };

  const evaluate = (subject: Pod, phase: 'CREATE' | 'LIVE', user?: string) =>
    evaluateRules(subject, {
      ...{ platform: listing, templates: buildAcceptedTemplates(listing), phase, tasks },
      ...(user !== undefined && { user }),
    });

  it('passes rule 2 when its controller creates the pod, and while the pod runs', () => {
    expect(evaluate(injected(), 'CREATE', CONTROLLER)).toEqual([]);
    expect(evaluate(injected(), 'LIVE')).toEqual([]);
  });

  it('violates rule 2 when another user creates the same pod, or no user is known', () => {
    for (const user of ['author', undefined]) {
      expect(evaluate(injected(), 'CREATE', user)).toMatchObject([
        { rule: '2', path: '/spec/volumes/0' },
      ]);
    }
  });

  it('violates rule 2 on the running pod if the agent mounts it too', () => {
    const op = { op: 'add', path: '/spec/containers/1/volumeMounts/-', value: mount } as const;
    expect(evaluate(applyPatch(injected(), [op]) as Pod, 'LIVE')).toMatchObject([
      { rule: '2', path: '/spec/containers/1/volumeMounts/1' },
    ]);
  });

  it('is not mounted by an ephemeral container that another user adds', () => {
    const oldPod = injected();
    const added = { name: 'debug', image: 'debug:1', volumeMounts: [mount] };
    const op = { op: 'add', path: '/spec/ephemeralContainers', value: [added] } as const;
    const violations = evaluateRules(
      applyPatch(oldPod, [op]) as Pod,
      {
        ...{ platform: listing, templates: buildAcceptedTemplates(listing), phase: 'UPDATE' },
        ...{ tasks: [], oldPod, user: 'oncall' },
      },
      (id) => id === '2',
    );
    expect(violations).toMatchObject([
      { rule: '2', path: '/spec/ephemeralContainers/0/volumeMounts/0' },
    ]);
  });

  it('is not kept in a pod whose tasks name the container', () => {
    const named = [buildTask('summarize', ['wait'])];
    const plan = planInjection({
      ...{ pod, tasks: named, platform: listing, published: buildInjectionTemplate(listing) },
      user: CONTROLLER,
    });
    expect(plan).toMatchObject({
      ok: false,
      faults: [{ rule: '5', path: '/spec/containers/0/volumeMounts' }],
    });
  });
});
