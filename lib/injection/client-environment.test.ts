import { describe, expect, it } from '@jest/globals';

import { createCatalogLoader } from '../catalog/catalog.ts';
import type { Task } from '../contract/task.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { getSocketPort } from '../task/database-ports.ts';
import type { FindUpstreamUrl } from './client-environment.ts';
import { createTaskReader } from './declared-tasks.ts';
import { authorityPlatform, buildTask, TRUST_BUNDLE } from './fixtures/sample-platform.ts';
import { listConsumerEnvGroups } from './injected-fields.ts';
import { planInjection } from './injection-plan.ts';
import { buildInjectionTemplate } from './injection-template.ts';

const buildHttpTask = (name: string, changes: Partial<Task> = {}): Task => ({
  ...buildTask(name, ['agent']),
  ...{ provider: 'http', role: 'model-api', delivery: 'sign' },
  allow: [{ actions: ['http:POST'], resources: ['https://api.example.com/v1/*'] }],
  ...changes,
});
const chat = buildHttpTask('chat', { client: 'openai' });
const claude = buildHttpTask('claude', { client: 'anthropic' });

const { template } = buildInjectionTemplate(authorityPlatform, TRUST_BUNDLE);
const listEnv = (
  consumer: string,
  tasks: readonly Task[],
  findUpstreamUrl: FindUpstreamUrl = () => undefined,
): Readonly<Record<string, string>> =>
  Object.fromEntries(
    listConsumerEnvGroups(template, consumer, tasks, findUpstreamUrl)
      .flat()
      .map(({ name, value = '' }) => [name, value]),
  );

describe('the environment of a consumer of tasks of provider http', () => {
  it('has the socket of the gateway and the base URLs of its clients, and nothing of AWS endpoints', () => {
    const env = listEnv('agent', [chat, claude]);
    expect(env).toMatchObject({
      VALETKEY_GATEWAY_SOCKET: '/var/run/valetkey/gateway',
      OPENAI_BASE_URL: 'http://127.0.0.1:9473/t/chat/v1',
      ANTHROPIC_BASE_URL: 'http://127.0.0.1:9473/t/claude',
    });
    expect(env).not.toHaveProperty('AWS_ENDPOINT_URL');
    expect(env).not.toHaveProperty('OPENAI_API_KEY');
  });

  it('leads a Vault client to the base URL of its task, without a token', () => {
    const env = listEnv('agent', [buildHttpTask('secrets', { client: 'vault' })]);
    expect(env).toMatchObject({ VAULT_ADDR: 'http://127.0.0.1:9473/t/secrets' });
    expect(env).not.toHaveProperty('VAULT_TOKEN');
  });

  it('leads the URLs of an Upstream to the task of Git, with the loopback token as key', () => {
    const code = buildHttpTask('code', { client: 'git', role: 'forge' });
    const env = listEnv('agent', [code], (name) => `https://${name}.example`);
    const { GIT_CONFIG_VALUE_2: helper, ...others } = Object.fromEntries(
      Object.entries(env).filter(([name]) => name.startsWith('GIT_')),
    );
    expect(others).toEqual({
      GIT_CONFIG_COUNT: '3',
      GIT_CONFIG_KEY_0: 'url.http://127.0.0.1:9473/t/code/.insteadOf',
      GIT_CONFIG_VALUE_0: 'https://forge.example/',
      GIT_CONFIG_KEY_1: 'credential.http://127.0.0.1:9473/t/code.helper',
      GIT_CONFIG_VALUE_1: '',
      GIT_CONFIG_KEY_2: 'credential.http://127.0.0.1:9473/t/code.helper',
    });
    expect(helper).toContain('/var/run/valetkey/token');
    // The kubelet would replace it.
    expect(helper).not.toContain('$(');
  });

  it('rewrites no URL for Git while the Upstream is unknown', () => {
    const env = listEnv('agent', [buildHttpTask('code', { client: 'git' })]);
    expect(env).toMatchObject({ GIT_CONFIG_COUNT: '2' });
    expect(JSON.stringify(env)).not.toContain('insteadOf');
  });

  it('has none of them in a container without such a task', () => {
    const names = Object.keys(listEnv('helper', [chat]));
    expect(names.filter((name) => /GATEWAY|OPENAI/.test(name))).toEqual([]);
  });
});

describe('the environment of a consumer of tasks of provider postgres', () => {
  const buildDatabaseTask = (name: string, containers: string[]): Task => ({
    ...buildTask(name, containers),
    ...{ provider: 'postgres', role: 'reports/app', delivery: 'sign' },
    allow: [{ actions: ['postgres:connect'], resources: ['postgres://reports/sales'] }],
  });
  const tasks = [
    buildDatabaseTask('query', ['agent', 'helper']),
    chat,
    buildDatabaseTask('audit', ['helper']),
  ];

  it('has the directory of its sockets and the port of its first task, in the order of names', () => {
    const shared = { PGHOST: '/var/run/valetkey' };
    expect(listEnv('agent', tasks)).toMatchObject({ ...shared, PGPORT: '5433', PGUSER: 'query' });
    expect(listEnv('helper', tasks)).toMatchObject({ ...shared, PGPORT: '5432', PGUSER: 'audit' });
  });

  it('never names a canary, whose port comes after those of other tasks', () => {
    const canary = { ...buildDatabaseTask('admin', ['agent', 'other']), canary: true as const };
    const planted = [canary, ...tasks];
    expect(listEnv('agent', planted)).toMatchObject({ PGPORT: '5433', PGUSER: 'query' });
    expect(listEnv('other', planted)).not.toHaveProperty('PGHOST');
    expect(getSocketPort(planted, 'admin')).toBe(5434);
  });

  it('is one group, which a container that sets one of it does not get', () => {
    const groups = listConsumerEnvGroups(template, 'agent', tasks);
    const group = groups.find((each) => each.some(({ name }) => name === 'PGHOST'));
    expect(group?.map(({ name }) => name)).toEqual(['PGHOST', 'PGPORT', 'PGUSER']);
    expect(listEnv('agent', [chat])).not.toHaveProperty('PGHOST');
  });
});

describe('createTaskReader', () => {
  const annotations = {
    'task.valetkey.dev/admin': `{provider: http, role: model-api, lifetime: 10m, canary: true, allow: [{actions: ['http:POST'], resources: ['https://api.example.com/*']}]}`,
    'task.valetkey.dev/chat': `{provider: http, role: model-api, lifetime: 10m, delegated: allowed, allow: [{actions: ['http:POST'], resources: ['https://api.example.com/*']}]}`,
  };
  const consumers = { containers: ['agent'], addressable: [] };

  it.each([
    ['authority', []],
    [
      'cluster',
      [
        'task.valetkey.dev/admin provider: expected aws: this cluster has no authority (trust: cluster), got http',
        'task.valetkey.dev/admin canary: expected false: this cluster has no authority (trust: cluster), got true',
        'task.valetkey.dev/chat provider: expected aws: this cluster has no authority (trust: cluster), got http',
        'task.valetkey.dev/chat delegated: expected refused: this cluster has no authority (trust: cluster), got allowed',
      ],
    ],
  ] as const)(
    'reads a delegable task of provider http under trust %s with these faults: %j',
    async (trust, faults) => {
      const read = createTaskReader({ ...authorityPlatform, trust }, createCatalogLoader());
      const result = await read({ annotations, consumers });
      expect(result.ok ? [] : result.faults.map(formatFieldError)).toEqual(faults);
    },
  );
});

describe('planInjection', () => {
  it('warns of a budget whose calls the gateway does not see', () => {
    const pod = { spec: { containers: [{ name: 'agent', image: 'agent:1' }] } };
    const published = buildInjectionTemplate(authorityPlatform, TRUST_BUNDLE);
    const listWarnings = (delivery: Task['delivery']): readonly string[] => {
      const task: Task = { ...buildTask('read', ['agent']), delivery, budget: { calls: 1 } };
      const plan = planInjection({ pod, tasks: [task], platform: authorityPlatform, published });
      return plan.ok ? plan.value.warnings.filter((each) => each.includes('budget')) : ['a fault'];
    };
    expect(listWarnings('vend')).toEqual([
      'task read: its budget is not enforced with delivery: vend, only its lifetime limits it; declare delivery: sign',
    ]);
    expect(listWarnings('sign')).toEqual([]);
  });
});
