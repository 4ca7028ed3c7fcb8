import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';

import type { Container } from '../../contract/pod.ts';
import type { HttpClient, Task } from '../../contract/task.ts';
import { formatFieldError } from '../../schema/field-error.ts';
import { buildTask } from '../fixtures/sample-platform.ts';
import { AGENT, PREPARE, addOp, findViolations } from '../fixtures/rule-cases.ts';
import { checkForeignKeys, isForeignKeyError } from './foreign-keys.ts';
import { FOREIGN_SERVICES } from './foreign-services.ts';

const REST = 'Z9'.repeat(20);
const check = (members: Partial<Container>, tasks: readonly Task[] = []) =>
  checkForeignKeys({ name: 'agent', ...members }, '/c', tasks);
const buildClientTask = (client: HttpClient): Task => ({
  ...buildTask('calls', ['agent']),
  ...{ provider: 'http', role: 'api', delivery: 'sign', client },
});
const fromSecret = (name: string, key: string) => ({
  env: [{ name, valueFrom: { secretKeyRef: { name: 'any', key } } }],
});

describe('checkForeignKeys', () => {
  const variables = FOREIGN_SERVICES.flatMap(({ title, provider, variables: names }) =>
    names.map((name) => ({ name, title, provider })),
  );

  it.each(variables)('finds $name and names service, container and remedy', (row) => {
    const { name, title, provider } = row;
    const line = `/c/env/0: expected no key of ${title}: declare a task of provider ${provider} (docs/static-keys.md), got variable "${name}" of container "agent"`;
    expect(check({ env: [{ name, value: 'a-secret' }] }).map(formatFieldError)).toEqual([line]);
    expect(check(fromSecret(name, 'token')).map(formatFieldError)).toEqual([line]);
    const [other] = check(fromSecret('KEY', name));
    expect(other?.got).toBe('variable "KEY" of container "agent"');
    const [assigned] = check({ args: ['-c', `export ${name}="a-secret"; run`] });
    expect(assigned?.path).toBe('/c/args/1');
    expect(assigned && formatFieldError(assigned)).not.toContain('a-secret');
  });

  const keys = FOREIGN_SERVICES.flatMap(({ title, provider, starts = [] }) =>
    provider === 'http' ? starts.map((start) => ({ title, start })) : [],
  );

  it.each(keys)('finds a key of $title that starts with $start, and never shows it', (row) => {
    const { title, start } = row;
    const found = [
      check({ env: [{ name: 'OTHER', value: `Bearer ${start}${REST}` }] }),
      check({ command: ['curl', '-H', `Authorization: Bearer ${start}${REST}`] }),
      check({ livenessProbe: { exec: { command: [`--key=${start}${REST}`] } } }),
    ];
    expect(found.map((faults) => faults.length)).toEqual([1, 1, 1]);
    expect(found.flat().every(({ expected }) => expected.includes(title))).toBe(true);
    expect(JSON.stringify(found)).not.toContain(REST);
    expect(check({ env: [{ name: 'HELP', value: `keys start with ${start}` }] })).toEqual([]);
    expect(check({ env: [{ name: 'OTHER', value: `x${start}${REST}` }] })).toEqual([]);
  });

  it.each([
    'postgres://app:p4ss@db.example/sales',
    'postgresql+asyncpg://app:p4ss@db.example',
    'jdbc:postgresql://db.example/sales?user=app&password=p4ss',
    'postgres://app:$(PASSWORD)@db.example/sales',
  ])('finds the password in %s', (value) => {
    const faults = [
      ...check({ env: [{ name: 'DATABASE_URL', value }] }),
      ...check({ args: [value] }),
    ];
    expect(faults.map(({ path }) => path)).toEqual(['/c/env/0', '/c/args/0']);
    expect(faults[0]?.expected).toContain('provider postgres');
    expect(JSON.stringify(faults)).not.toContain('p4ss');
  });

  it('finds the URL of a database from a Secret, under its name or another', () => {
    expect(check(fromSecret('DATABASE_URL', 'url'))).toHaveLength(1);
    expect(check(fromSecret('DSN', 'DATABASE_URL'))).toHaveLength(1);
  });

  it.each([
    ['secretRef/name', { secretRef: { name: 'openai-api-key' } }],
    ['secretRef/name', { secretRef: { name: 'team.github.token' } }],
    ['secretRef/name', { secretRef: { name: 'postgres-credentials' } }],
    ['prefix', { prefix: 'GITLAB_', secretRef: { name: 'any' } }],
  ])('finds at %s what %j imports', (at, source) => {
    expect(check({ envFrom: [source] }).map(({ path }) => path)).toEqual([`/c/envFrom/0/${at}`]);
  });

  it.each<[string, Partial<Container>]>([
    ['an empty value', { env: [{ name: 'OPENAI_API_KEY', value: '' }] }],
    ['a base URL', { env: [{ name: 'OPENAI_BASE_URL', value: 'http://127.0.0.1:9473/t/a/v1' }] }],
    [
      'a database without a password',
      { env: [{ name: 'DATABASE_URL', value: 'postgres://db/a' }] },
    ],
    [
      'a database at loopback, where the gateway is',
      { env: [{ name: 'DATABASE_URL', value: 'postgres://a:token@127.0.0.1:5432/a' }] },
    ],
    [
      'the URL of a database from a ConfigMap',
      { env: [{ name: 'DATABASE_URL', valueFrom: { configMapKeyRef: { name: 'a', key: 'u' } } }] },
    ],
    [
      'the loopback token, which the shell reads',
      { args: ['export OPENAI_API_KEY="$(cat /var/run/valetkey/token)"; exec agent'] },
    ],
    ['a variable that is only read', { args: ['test -n "$GITHUB_TOKEN" && run'] }],
    ['an import of settings', { envFrom: [{ configMapRef: { name: 'openai-keys' } }] }],
    ['a Secret of something else', { envFrom: [{ secretRef: { name: 'session-key' } }] }],
  ])('finds nothing in %s', (_, members) => {
    expect(check(members)).toEqual([]);
  });

  it.each<[HttpClient, string]>([
    ['openai', 'OPENAI_API_KEY'],
    ['anthropic', 'ANTHROPIC_AUTH_TOKEN'],
    ['git', 'GITHUB_TOKEN'],
    ['git', 'GITLAB_TOKEN'],
    ['vault', 'VAULT_TOKEN'],
  ])('is decided by no setting beside client %s for %s', (client, name) => {
    const members = { ...fromSecret(name, 'token'), args: [`${name}=abc run`] };
    const faults = check(members, [buildClientTask(client)]);
    expect(faults.map(({ path }) => path)).toEqual(['/c/env/0', '/c/args/0']);
    expect(faults.some(isForeignKeyError)).toBe(false);
    expect(faults[0]?.expected).toContain('task calls presents it');
    expect(check(members).every(isForeignKeyError)).toBe(true);
    expect(check({ env: [{ name: 'HF_TOKEN', value: 'x' }] }, [buildClientTask(client)])).toEqual([
      expect.objectContaining({ code: 'foreign_key' }),
    ]);
  });

  it('is a part of rule 7 for every container, with the code that the setting reads', () => {
    const env = [{ name: 'OPENAI_API_KEY', value: 'x' }];
    const faults = findViolations([
      addOp(`${PREPARE}/env`, env),
      addOp(`${AGENT}/env/-`, { name: 'PGPASSWORD', value: 'x' }),
    ]);
    expect(faults.map(({ rule, code }) => `${rule} ${code}`)).toEqual([
      '7 foreign_key',
      '7 foreign_key',
    ]);
  });

  it('has documented sources for every service, and the guide that its messages name', () => {
    for (const { sources } of FOREIGN_SERVICES) {
      expect(sources.every((source) => source.startsWith('https://'))).toBe(true);
      expect(sources).not.toEqual([]);
    }
    const guide = readFileSync(join(import.meta.dirname, '../../../docs/static-keys.md'), 'utf8');
    expect(guide).toMatch(/^# Migrate from static keys$/m);
  });
});
