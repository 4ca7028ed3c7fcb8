import { describe, expect, it } from '@jest/globals';

import type { Platform } from '../contract/platform.ts';
import type { Container, EnvVar, Pod } from '../contract/pod.ts';
import type { Task } from '../contract/task.ts';
import { findFixedKeyObstacle } from './fixed-key.ts';
import { authorityPlatform, buildTask, TRUST_BUNDLE } from './fixtures/sample-platform.ts';
import { applyPatch } from './json-patch.ts';
import { planInjection } from './injection-plan.ts';
import { buildInjectionTemplate } from './injection-template.ts';
import { buildPatch } from './patch.ts';
import { checkForeignKeys } from './rules/foreign-keys.ts';

const buildClientTask = (name: string, client: NonNullable<Task['client']>): Task => ({
  ...buildTask(name, ['agent']),
  ...{ provider: 'http', role: 'an-api', delivery: 'sign', client },
});
const TASKS = [
  buildClientTask('chat', 'openai'),
  buildClientTask('claude', 'anthropic'),
  buildClientTask('secrets', 'vault'),
  buildClientTask('code', 'git'),
];

const buildPod = (container: Partial<Container> = {}, spec: Pod['spec'] = {}): Pod => ({
  metadata: { name: 'agent', annotations: { 'task.valetkey.dev/chat': '' } },
  spec: {
    securityContext: { runAsNonRoot: true },
    containers: [{ name: 'agent', image: 'agent:1', ...container }],
    ...spec,
  },
});

const published = buildInjectionTemplate(authorityPlatform, TRUST_BUNDLE);

const inject = (
  pod: Pod,
  {
    tasks = TASKS,
    platform = authorityPlatform,
    namespace = 'research',
  }: { tasks?: readonly Task[]; platform?: Platform; namespace?: string } = {},
) => {
  const plan = planInjection({ pod, tasks, platform, published, namespace });
  if (!plan.ok) throw new Error('the plan failed');
  const injected = applyPatch(pod, buildPatch(pod, plan.value)) as Pod;
  const agent = injected.spec?.containers?.find(({ name }) => name === 'agent');
  return {
    injected,
    env: agent?.env ?? [],
    allWarnings: plan.value.warnings,
    warnings: plan.value.warnings.filter((each) => each.includes('is not set for task')),
  };
};

const listUidVariables = (env: readonly EnvVar[]): readonly string[] =>
  env.flatMap(({ name, valueFrom }) =>
    valueFrom?.fieldRef?.fieldPath === 'metadata.uid' ? [name] : [],
  );

const off: Platform = {
  ...authorityPlatform,
  gateway: { ...authorityPlatform.gateway, fixedKey: 'off' },
};
const baseline: Platform = {
  ...authorityPlatform,
  pods: { ...authorityPlatform.pods, baselineNamespaces: ['research'] },
};
const helper: Container = { name: 'helper', image: 'helper:1' };

/** Pods that have no fixed key, and why. */
const OBSTACLES: [why: string, pod: Pod, platform?: Platform][] = [
  ['the platform sets gateway.fixedKey: off', buildPod(), off],
  ['its namespace has level baseline of rule 4', buildPod(), baseline],
  [
    'the pod has more containers than one: agent, helper',
    buildPod({}, { containers: [{ name: 'agent', image: 'agent:1' }, helper] }),
  ],
  [
    'the pod has more containers than one: helper, agent',
    buildPod({}, { initContainers: [helper] }),
  ],
  [
    'the pod has more containers than one: helper, agent',
    buildPod({}, { initContainers: [{ ...helper, restartPolicy: 'Always' }] }),
  ],
  [
    'the pod has more containers than one: agent, helper',
    buildPod({}, { ephemeralContainers: [helper] }),
  ],
  ['/spec/hostNetwork: expected false or nothing, got true', buildPod({}, { hostNetwork: true })],
  [
    '/spec/shareProcessNamespace: expected false or nothing, got true',
    buildPod({}, { shareProcessNamespace: true }),
  ],
  [
    '/spec/containers/0/securityContext/runAsUser: expected a user other than 0, got 0',
    buildPod({ securityContext: { runAsUser: 0 } }),
  ],
  [
    'it runs as user 65534, as which the kernel shows users from outside the pod',
    buildPod({ securityContext: { runAsUser: 65_534 } }),
  ],
];

describe('the keys of clients', () => {
  it('are the UID of the pod where a pod has one restricted container', () => {
    const { env, warnings } = inject(buildPod());
    expect(listUidVariables(env)).toEqual(['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'VAULT_TOKEN']);
    expect(warnings).toEqual([]);
  });

  it.each(OBSTACLES)('are left to the author if %s', (why, pod, platform = authorityPlatform) => {
    const { env, warnings } = inject(pod, { platform });
    expect(listUidVariables(env)).toEqual([]);
    expect(warnings).toEqual(
      [
        ['OPENAI_API_KEY', 'chat'],
        ['ANTHROPIC_API_KEY', 'claude'],
        ['VAULT_TOKEN', 'secrets'],
      ].map(
        ([name, task]) =>
          `container agent: ${name} is not set for task ${task}: ${why}; start its client with ${name}="$(cat /var/run/valetkey/token)" (docs/upstreams.md)`,
      ),
    );
  });

  it.each([
    ['the base URL', { name: 'OPENAI_BASE_URL', value: 'http://127.0.0.1:8080' }],
    ['the key', { name: 'OPENAI_API_KEY', value: 'x' }],
  ])('are those of the container if it sets %s itself', (_what, variable) => {
    const { env } = inject(buildPod({ env: [variable] }), { tasks: TASKS.slice(0, 1) });
    expect(listUidVariables(env)).toEqual([]);
    expect(env.filter(({ name }) => name === variable.name)).toEqual([variable]);
  });

  it('are not asked for where a command reads the loopback token, and where no client has any', () => {
    const command = ['sh', '-c', 'OPENAI_API_KEY="$(cat /var/run/valetkey/token)" exec agent'];
    const containers = [{ name: 'agent', image: 'agent:1', command }, helper];
    expect(inject(buildPod({}, { containers })).warnings).toEqual([]);
    const git = inject(buildPod({}, { containers }), { tasks: TASKS.slice(3) });
    expect([git.warnings, listUidVariables(git.env)]).toEqual([[], []]);
  });

  it('are no keys of another service in rule 7: only the UID of the pod is none', () => {
    const build = (fieldPath: string): Container => ({
      name: 'agent',
      env: [{ name: 'OPENAI_API_KEY', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } } }],
    });
    expect(checkForeignKeys(build('metadata.uid'), '', TASKS)).toEqual([]);
    expect(checkForeignKeys(build("metadata.annotations['key']"), '', TASKS)).toHaveLength(1);
  });
});

describe('findFixedKeyObstacle', () => {
  it('finds none in the pod as it runs', () => {
    const { injected } = inject(buildPod());
    const subject = { platform: authorityPlatform, namespace: 'research', consumers: ['agent'] };
    expect(findFixedKeyObstacle(injected, subject)).toBeUndefined();
  });

  it('finds a container that another mutator added after the injection', () => {
    const { injected } = inject(buildPod());
    const pod = { ...injected, spec: { ...injected.spec, ephemeralContainers: [helper] } };
    const subject = { platform: authorityPlatform, consumers: ['agent'] };
    expect(findFixedKeyObstacle(pod, subject)).toContain('helper');
  });

  it('does not take the defaults of rule 4 for granted', () => {
    const subject = { platform: authorityPlatform, consumers: ['agent'] };
    expect(findFixedKeyObstacle(buildPod(), subject)).toContain('allowPrivilegeEscalation');
  });
});

describe('an import that may bring a proxy', () => {
  const envFrom = [{ configMapRef: { name: 'settings' } }];
  const warn = (task: Task): readonly string[] =>
    inject(buildPod({ envFrom }), { tasks: [task] }).allWarnings.filter((each) =>
      each.includes('a proxy in it'),
    );
  const http: Task = { ...buildTask('search', ['agent']), ...{ provider: 'http', role: 'wiki' } };

  it('could get the token of a consumer of APIs and MCP servers, which is warned', () => {
    expect(warn(http)).toEqual([
      'container agent: admission does not read ConfigMap settings: a proxy in it needs 127.0.0.1 in NO_PROXY and no_proxy, or clients may send the token of this container to it',
    ]);
  });

  it('gets nothing of a consumer whose clients send the token to no gateway over HTTP', () => {
    expect(warn({ ...http, provider: 'postgres', role: 'orders/reader' })).toEqual([]);
    expect(warn({ ...http, containers: ['helper'] })).toEqual([]);
  });
});
