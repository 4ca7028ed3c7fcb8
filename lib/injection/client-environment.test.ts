import { describe, expect, it } from '@jest/globals';

import { createCatalogLoader } from '../catalog/catalog.ts';
import type { Task } from '../contract/task.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { checkClientKeys } from './client-environment.ts';
import { createTaskReader } from './declared-tasks.ts';
import { authorityPlatform, buildTask, TRUST_BUNDLE } from './fixtures/sample-platform.ts';
import { listConsumerEnvGroups } from './injected-fields.ts';
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
const listEnv = (consumer: string, tasks: readonly Task[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    listConsumerEnvGroups(template, consumer, tasks)
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

  it('has none of them in a container without such a task', () => {
    const names = Object.keys(listEnv('helper', [chat]));
    expect(names.filter((name) => /GATEWAY|OPENAI/.test(name))).toEqual([]);
  });
});

describe('checkClientKeys', () => {
  const check = (env: object[], tasks = [chat, claude]) =>
    checkClientKeys({ name: 'agent', env } as never, '/spec/containers/0', tasks);

  it.each([
    ['a value', { name: 'OPENAI_API_KEY', value: 'sk-1' }],
    [
      'a Secret',
      { name: 'ANTHROPIC_API_KEY', valueFrom: { secretKeyRef: { name: 'a', key: 'b' } } },
    ],
    ['a token', { name: 'ANTHROPIC_AUTH_TOKEN', value: 'x' }],
  ])('refuses the key of a client by %s, without showing it', (_what, variable) => {
    const [fault, ...others] = check([variable]).map(formatFieldError);
    expect(fault).toContain(variable.name);
    expect(fault).not.toContain('sk-1');
    expect(others).toEqual([]);
  });

  it('accepts empty values, and keys of clients that no task of the container replaces', () => {
    expect(check([{ name: 'OPENAI_API_KEY', value: '' }])).toEqual([]);
    expect(check([{ name: 'ANTHROPIC_API_KEY', value: 'x' }], [chat])).toEqual([]);
  });
});

describe('createTaskReader', () => {
  const annotations = {
    'task.valetkey.dev/chat': `{provider: http, role: model-api, lifetime: 10m, allow: [{actions: ['http:POST'], resources: ['https://api.example.com/*']}]}`,
  };
  const consumers = { containers: ['agent'], addressable: [] };

  it.each([
    ['authority', []],
    [
      'cluster',
      [
        'task.valetkey.dev/chat provider: expected aws: this cluster has no authority (trust: cluster), got http',
      ],
    ],
  ] as const)(
    'reads a task of provider http under trust %s with these faults: %j',
    async (trust, faults) => {
      const read = createTaskReader({ ...authorityPlatform, trust }, createCatalogLoader());
      const result = await read({ annotations, consumers });
      expect(result.ok ? [] : result.faults.map(formatFieldError)).toEqual(faults);
    },
  );
});
