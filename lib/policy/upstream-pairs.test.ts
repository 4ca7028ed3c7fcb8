import { describe, expect, it } from '@jest/globals';
import type { Task } from '../contract/task.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { parseStoredUpstreams } from '../upstreams/stored-upstreams.ts';
import { evaluateAdmissionPolicy } from './admission-decision.ts';
import { compilePolicies } from './compiled-policies.ts';
import { buildReportTask, buildRunRequest, loadCatalog } from './fixtures/policy-requests.ts';
import { expandUpstreamPairs, findTaskUpstream } from './upstream-pairs.ts';
import { evaluateRunPolicy } from './run-decision.ts';
import { STARTER_POLICY } from './starter-policy.ts';

const URL = 'https://api.example.com/v1';
const spec = {
  url: URL,
  present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
  secret: { kubernetes: { name: 'key', key: 'token' } },
};
const DIGEST = `sha256:${'0'.repeat(64)}`;
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
  {
    metadata: { name: 'wiki' },
    spec: { url: 'https://wiki.example.com/mcp', protocol: 'mcp' },
  },
  {
    metadata: { name: 'pinned' },
    spec: {
      url: 'https://wiki.example.com/mcp',
      protocol: 'mcp',
      tools: [
        { name: 'search', digest: DIGEST, level: 'Read' },
        { name: 'get-page', digest: DIGEST, level: 'Read' },
        { name: 'get*', digest: DIGEST },
        { name: 'grant', digest: DIGEST, level: 'Escalation' },
      ],
    },
  },
  {
    metadata: { name: 'orders' },
    spec: {
      postgres: {
        host: 'db.example.com',
        admin: { name: 'admin', key: 'login' },
        templates: [
          { role: 'reader', level: 'Read' },
          { role: 'writer', level: 'Write' },
        ],
      },
    },
  },
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
    [
      'code',
      '/x',
      'role: expected an Upstream of protocol http, as http:GET needs, got "code", whose protocol is git',
    ],
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

  const findErrors = (changes: Partial<Task>): readonly string[] => {
    const found = findTaskUpstream(buildHttpTask('http:GET', '/x', changes), upstreams);
    return found.ok ? [] : found.faults.map(formatFieldError);
  };
  const allow = (action: string, resource: string) => [
    { actions: [action], resources: [resource] },
  ];

  it.each([
    [
      'of protocol git at an HTTP API',
      { role: 'model-api', allow: allow('git:push', 'git://model-api/a/b') },
      'role: expected an Upstream of protocol git, as git:push needs, got "model-api", whose protocol is http',
    ],
    [
      'of protocol http at a database',
      { role: 'orders' },
      'role: expected an Upstream of protocol http, as http:GET needs, got "orders", whose protocol is postgres',
    ],
    [
      'of a database at an HTTP API',
      {
        ...{ provider: 'postgres', role: 'code/reader' },
        allow: allow('postgres:connect', 'postgres://code/shop'),
      },
      'role: expected an Upstream of protocol postgres, as postgres:connect needs, got "code/reader", whose protocol is git',
    ],
    [
      'with a misspelt Upstream of a database',
      {
        ...{ provider: 'postgres', role: 'oders/reader' },
        allow: allow('postgres:connect', 'postgres://oders/shop'),
      },
      'role: expected the name of an Upstream of this cluster; the nearest is orders, got "oders/reader"',
    ],
    [
      'with a template role that the Upstream does not list',
      {
        ...{ provider: 'postgres', role: 'orders/writr' },
        allow: allow('postgres:connect', 'postgres://orders/shop'),
      },
      'role: expected a template role that upstream orders lists: orders/reader, orders/writer; the nearest is writer, got "orders/writr"',
    ],
    [
      'with a repository of another Upstream',
      { role: 'code', allow: allow('git:fetch', 'git://other/a/b') },
      'allow[0].resources[0]: expected a resource of upstream code: git://code/…, got "git://other/a/b"',
    ],
    [
      'with a tool that the Upstream does not pin',
      { role: 'pinned', allow: allow('mcp:tools/call', 'mcp://pinned/tools/serach') },
      'allow[0].resources[0]: expected a tool that upstream pinned pins; the nearest is search, got "mcp://pinned/tools/serach"',
    ],
  ] as readonly [string, Partial<Task>, string][])('refuses a task %s', (_what, changes, text) => {
    expect(findErrors(changes)).toEqual([text]);
  });

  it.each([
    [{ role: 'code', allow: allow('git:push', 'git://code/a/b#refs/heads/x') }],
    [{ role: 'wiki', allow: allow('mcp:tools/call', 'mcp://wiki/tools/anything') }],
    [{ role: 'pinned', allow: allow('mcp:tools/call', 'mcp://pinned/tools/get%2A') }],
    [{ role: 'pinned', allow: allow('mcp:prompts/get', 'mcp://pinned/prompts/anything') }],
    [
      {
        ...{ provider: 'postgres', role: 'orders/reader' },
        allow: allow('postgres:connect', 'postgres://orders/shop'),
      },
    ],
  ] as readonly [Partial<Task>][])('finds the Upstream of %j', (changes) => {
    expect(findErrors(changes)).toEqual([]);
  });

  it('finds the Upstream of a task within its URL', () => {
    const found = findTaskUpstream(buildHttpTask('http:GET', '/x/*'), upstreams);
    expect(found.ok && found.value.name).toBe('model-api');
  });
});

const READS = 'permit (principal, action, resource) when { context.accessLevels == ["Read"] };';

const decide = (cedar: string, task: Task) => {
  const policies = compilePolicies([{ name: 'a', cedar }]);
  const upstream = upstreams.get(task.role.split('/')[0] ?? '');
  const request = { ...buildRunRequest({ task }), ...(upstream && { upstream }) };
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

  it.each([
    ['code', 'git:fetch', 'git://code/acme/*', ['Read']],
    ['code', 'git:push', 'git://code/acme/site#refs/heads/agent/*', ['Write']],
    ['code', 'git:delete-ref', 'git://code/acme/site', ['Write']],
    ['wiki', 'mcp:tools/call', 'mcp://wiki/tools/search', ['Write']],
    ['wiki', 'mcp:resources/read', 'mcp://wiki/resources/*', ['Write']],
    ['pinned', 'mcp:tools/call', 'mcp://pinned/tools/search', ['Read']],
    ['pinned', 'mcp:tools/call', 'mcp://pinned/tools/get-*', ['Read']],
    ['pinned', 'mcp:tools/call', 'mcp://pinned/tools/get*', ['Write']],
    ['pinned', 'mcp:tools/call', 'mcp://pinned/tools/get%2A', ['Write']],
    ['pinned', 'mcp:tools/call', 'mcp://pinned/tools/g*', ['Escalation']],
    ['pinned', 'mcp:tools/call', 'mcp://pinned/tools/{tool}', ['Escalation']],
    ['pinned', 'mcp:prompts/get', 'mcp://pinned/prompts/search', ['Write']],
    ['orders/reader', 'postgres:connect', 'postgres://orders/shop', ['Read']],
    ['orders/writer', 'postgres:connect', 'postgres://orders/shop', ['Write']],
    ['orders/gone', 'postgres:connect', 'postgres://orders/shop', ['Write']],
  ])('gives %s %s on %s the level %j', (role, action, resource, levels) => {
    const upstream = upstreams.get(role.split('/')[0] ?? '');
    const allow = [{ actions: [action], resources: [resource] }];
    const pairs = expandUpstreamPairs({ role, allow }, upstream);
    expect(pairs.ok && pairs.value.map(({ action: found }) => found.accessLevels)).toEqual([
      levels,
    ]);
  });

  it('lets a policy that permits reads decide on a database by its template role', async () => {
    const decideFor = (role: string) =>
      decide(
        READS,
        buildReportTask({
          ...{ provider: 'postgres', delivery: 'sign', role },
          allow: [{ actions: ['postgres:connect'], resources: ['postgres://orders/shop'] }],
        }),
      );
    expect(await decideFor('orders/reader')).toMatchObject({ outcome: 'allow' });
    expect(await decideFor('orders/writer')).toMatchObject({ outcome: 'deny' });
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
      const upstream = upstreams.get('leveled');
      const request = { ...buildRunRequest({ task, principal }), ...(upstream && { upstream }) };
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
