import { describe, expect, it } from '@jest/globals';
import type { Task } from '../contract/task.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { parseStoredUpstreams } from '../upstreams/stored-upstreams.ts';
import type { HttpUpstream } from '../upstreams/upstream.ts';
import { evaluateAdmissionPolicy } from './admission-decision.ts';
import { compilePolicies } from './compiled-policies.ts';
import { buildReportTask, buildRunRequest, loadCatalog } from './fixtures/policy-requests.ts';
import { findTaskUpstream } from './http-pairs.ts';
import { evaluateRunPolicy } from './run-decision.ts';
import { STARTER_POLICY } from './starter-policy.ts';

const URL = 'https://api.example.com/v1';
const spec = {
  url: URL,
  present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
  secret: { kubernetes: { name: 'key', key: 'token' } },
};
const upstreams = parseStoredUpstreams([
  { metadata: { name: 'model-api' }, spec },
  {
    metadata: { name: 'leveled' },
    spec: {
      ...spec,
      levels: [
        { method: 'POST', path: '/search', level: 'Read' },
        { method: 'POST', path: '/admin/*', level: 'Escalation' },
      ],
    },
  },
  { metadata: { name: 'code' }, spec: { ...spec, protocol: 'git' } },
  { metadata: { name: 'broken' }, spec: { url: 'ftp://x' } },
]);

const buildHttpTask = (action: string, path: string, changes: Partial<Task> = {}): Task =>
  buildReportTask({
    provider: 'http',
    delivery: 'sign',
    role: 'model-api',
    allow: [{ actions: [action], resources: [`${URL}${path}`] }],
    ...changes,
  });

describe('findTaskUpstream', () => {
  it.each([
    [
      'model-ap',
      '/x',
      'role: expected the name of an Upstream of this cluster; the nearest is model-api',
    ],
    ['broken', '/x', 'role: expected the name of an Upstream'],
    ['code', '/x', 'role: expected an Upstream with a url and protocol http'],
    [
      'model-api',
      '2/x',
      'allow[0].resources[0]: expected a URL that begins with https://api.example.com/v1/',
    ],
    [
      'model-api',
      '*',
      'allow[0].resources[0]: expected a URL that begins with https://api.example.com/v1/',
    ],
  ])('refuses role %s with a URL that ends in %s', (role, path, text) => {
    const found = findTaskUpstream(buildHttpTask('http:GET', path, { role }), upstreams);
    expect(found.ok ? [] : found.faults.map(formatFieldError)).toEqual([
      expect.stringContaining(text),
    ]);
  });

  it('finds the Upstream of a task within its URL', () => {
    const found = findTaskUpstream(buildHttpTask('http:GET', '/x/*'), upstreams);
    expect(found.ok && found.value.name).toBe('model-api');
  });
});

const READS = 'permit (principal, action, resource) when { context.accessLevels == ["Read"] };';

const decide = (cedar: string, task: Task) => {
  const policies = compilePolicies([{ name: 'a', cedar }]);
  const upstream = upstreams.get(task.role) as HttpUpstream;
  const request = { ...buildRunRequest({ task }), upstream };
  return evaluateRunPolicy({ policies, loadCatalog }, request);
};

describe('policy for tasks of provider http', () => {
  it.each([
    ['model-api', 'http:GET', '/items/*', 'allow'],
    ['model-api', 'http:HEAD', '/items', 'allow'],
    ['model-api', 'http:POST', '/search', 'deny'],
    ['leveled', 'http:POST', '/search', 'allow'],
    ['leveled', 'http:POST', '/*', 'deny'],
  ])('takes the level of %s %s%s from the Upstream: %s', async (role, action, path, outcome) => {
    expect(await decide(READS, buildHttpTask(action, path, { role }))).toMatchObject({ outcome });
  });

  it('compares the action, the bound URL and the name of the Upstream', async () => {
    const cedar = `permit (principal, action, resource) when {
      context.action == "http:GET" && context.role == "model-api" && context.delivery == "sign" &&
      context.resource like "${URL}/tickets/*" };`;
    expect(await decide(cedar, buildHttpTask('http:GET', '/tickets/7'))).toMatchObject({
      outcome: 'allow',
    });
    expect(await decide(cedar, buildHttpTask('http:GET', '/other'))).toMatchObject({
      outcome: 'deny',
    });
  });

  it('lets the starter policy permit reads and writes, and forbid an escalation', async () => {
    const evaluate = (path: string) => {
      const task = buildHttpTask('http:POST', path, { role: 'leveled' });
      const policies = compilePolicies([{ name: 'starter', cedar: STARTER_POLICY }]);
      const principal = {
        namespace: 'research',
        namespaceLabels: { 'valetkey.dev/tasks': 'allowed' },
        serviceAccount: 'reporter',
      };
      const upstream = upstreams.get('leveled') as HttpUpstream;
      const request = { ...buildRunRequest({ task, principal }), upstream };
      return evaluateAdmissionPolicy({ policies, loadCatalog }, request);
    };
    expect(await evaluate('/items')).toMatchObject({ outcome: 'allow' });
    expect(await evaluate('/admin/keys')).toMatchObject({
      outcome: 'deny',
      policies: ['starter/no-escalation'],
    });
  });

  it('denies a task whose Upstream is not known', async () => {
    const task = buildHttpTask('http:GET', '/x', { role: 'unknown' });
    expect(await decide('permit (principal, action, resource);', task)).toMatchObject({
      outcome: 'deny',
      reasons: [expect.stringContaining('a known Upstream')],
    });
  });
});
