import { describe, expect, it } from '@jest/globals';
import { evaluateCallPolicy, type PolicyCall } from './call-decision.ts';
import { compilePolicies } from './compiled-policies.ts';
import type { RunPolicyRequest } from './decision.ts';
import { buildReportTask, buildRunRequest, loadCatalog } from './fixtures/policy-requests.ts';
import { computeGates } from './gates.ts';
import { parseStoredUpstreams } from '../upstreams/stored-upstreams.ts';
import { checkPolicy } from './policy-findings.ts';
import { evaluateRunPolicy } from './run-decision.ts';

const REPORTS = 'arn:aws:s3:::acme-data/reports';
const PERMIT = 'permit (principal, action == Action::"run", resource);\n';
const forbidCall = (conditions: string): string =>
  `@id("gate") forbid (principal, action == Action::"call", resource) ${conditions};`;
const buildQuestion = (changes: Partial<RunPolicyRequest> = {}): RunPolicyRequest =>
  buildRunRequest({
    task: buildReportTask({
      delivery: 'sign',
      allow: [{ actions: ['s3:GetObject', 's3:PutObject'], resources: [`${REPORTS}/*`] }],
    }),
    ...changes,
  });
const compile = (cedar: string) => compilePolicies([{ name: 'p', cedar: PERMIT + cedar }]);
const listGates = (cedar: string, question = buildQuestion()) =>
  computeGates({ policies: compile(cedar), loadCatalog }, question);

describe('computeGates', () => {
  it.each([
    ['no policy', ''],
    [
      'a policy with an open action constraint',
      '@id("open") forbid (principal, action, resource) when { context.role == "x" };',
    ],
    ['a permit of calls', 'permit (principal, action == Action::"call", resource);'],
    ['a policy about other actions', forbidCall('when { context.action == "s3:DeleteObject" }')],
    ['a policy about other workloads', forbidCall('when { principal.serviceAccount == "x" }')],
    [
      'a policy about resources outside the task',
      forbidCall('when { context.resource like "arn:aws:s3:::other/*" }'),
    ],
  ])('makes no gate for %s', async (_, cedar) => {
    expect(await listGates(cedar)).toEqual([]);
  });

  it('denies the patterns of like, == and || for the actions that the rest of the policy selects', async () => {
    const cedar = forbidCall(
      `when { context.accessLevels.contains("Write") && (context.resource like "${REPORTS}/final/*" || context.resource == "${REPORTS}/x") }`,
    );
    expect(await listGates(cedar)).toEqual([
      {
        gate: 'deny',
        actions: ['s3:PutObject'],
        like: [`${REPORTS}/final/*`, `${REPORTS}/x`],
        policies: ['p/gate'],
      },
    ]);
  });

  it('asks within the patterns where an approval, the time or the request decides', async () => {
    const like = `context.resource like "${REPORTS}/final/*"`;
    for (const doubt of [
      `when { ${like} } unless { context.approvals.contains("owners") }`,
      `when { ${like} && context.hour < 7 }`,
      `when { context.operation == "s3:PutObject" && ${like} }`,
      `when { ${like} } unless { context has bytes && context.bytes < 9 }`,
    ]) {
      const [gate, ...others] = await listGates(forbidCall(doubt));
      expect(gate).toMatchObject({ gate: 'ask', like: [`${REPORTS}/final/*`] });
      expect(others).toEqual([]);
    }
  });

  it('asks about every resource where a negation is left', async () => {
    const cedar = forbidCall(`unless { context.resource like "${REPORTS}/drafts/*" }`);
    const actions = ['s3:GetObject', 's3:PutObject'];
    expect(await listGates(cedar)).toEqual([{ gate: 'ask', actions, policies: ['p/gate'] }]);
  });

  it('asks about every call with one gate if there would be more than 64', async () => {
    const many = Array.from(
      { length: 65 },
      (_, at) =>
        `forbid (principal, action == Action::"call", resource) when { context.resource like "${REPORTS}/${at}/*" };`,
    );
    const policies = compilePolicies([
      { name: 'one', cedar: many.slice(0, 40).join('\n') },
      { name: 'two', cedar: many.slice(40).join('\n') },
    ]);
    const gates = await computeGates({ policies, loadCatalog }, buildQuestion());
    expect(gates).toEqual([{ gate: 'ask', actions: ['*'], policies: [] }]);
  });
});

describe('the gates of a run of an Upstream', () => {
  const code = parseStoredUpstreams([
    {
      metadata: { name: 'code' },
      spec: {
        ...{ url: 'https://code.example.com', protocol: 'git' },
        present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
        secret: { kubernetes: { name: 'key', key: 'token' } },
      },
    },
  ]).get('code');
  const question = (actions: string[], resources: string[]) =>
    buildQuestion({
      task: buildReportTask({
        ...{ provider: 'http', role: 'code', delivery: 'sign', allow: [{ actions, resources }] },
      }),
      ...(code && { upstream: code }),
    });

  it('ask where a policy names access levels, which depend on the resource of the call', async () => {
    const cedar = forbidCall('when { context.accessLevels.contains("Read") }');
    const gates = await listGates(cedar, question(['git:push'], ['git://code/acme/site']));
    expect(gates).toEqual([{ gate: 'ask', actions: ['git:push'], policies: ['p/gate'] }]);
  });

  it.each([
    ['git://code/acme/site', 'git://code/acme/site#refs/heads/main'],
    ['git://code/acme/site#refs/heads/agent/*', 'git://code/acme/site'],
  ])('of a task about %s include %s', async (resource, like) => {
    const cedar = forbidCall(`when { context.resource == "${like}" }`);
    expect(await listGates(cedar, question(['git:push'], [resource]))).toMatchObject([
      { gate: 'deny', like: [like] },
    ]);
  });
});

describe('a policy about calls', () => {
  it('decides nothing about the start of a run', async () => {
    const deps = { policies: compile(forbidCall('when { true }')), loadCatalog };
    expect(await evaluateRunPolicy(deps, buildQuestion())).toMatchObject({ outcome: 'allow' });
  });

  it('may use the resource anywhere, unless it is also about runs', () => {
    const secret = 'when { context.resource like "arn:aws:s3:::acme-data/secret/*" };';
    const check = (action: string) =>
      checkPolicy({ name: 'p', cedar: `forbid (principal, ${action}, resource) ${secret}` }).faults;
    expect(check('action == Action::"call"')).toEqual([]);
    expect(check('action in [Action::"run", Action::"call"]')).toHaveLength(1);
    expect(check('action')).toHaveLength(1);
  });

  it('is warned about if it is a permit, and cannot use members of calls if it is about runs', () => {
    const cedar = 'permit (principal, action == Action::"call", resource);';
    expect(checkPolicy({ name: 'p', cedar }).warnings.join()).toContain('has no effect');
    const open = 'forbid (principal, action, resource) when { context.operation == "x" };';
    expect(checkPolicy({ name: 'p', cedar: open }).faults).toHaveLength(1);
  });
});

describe('evaluateCallPolicy', () => {
  const put: PolicyCall = {
    operation: 's3:PutObject',
    bytes: 5,
    arguments: { '/Name': 'x' },
    pairs: [
      { action: { name: 's3:PutObject', accessLevels: ['Write'] }, resource: `${REPORTS}/a` },
    ],
  };
  const decide = (conditions: string, call: PolicyCall = put, approvals: readonly string[] = []) =>
    evaluateCallPolicy(compile(forbidCall(conditions)), buildQuestion({ approvals }), call);

  it('permits what no policy forbids, and names the policies that deny', () => {
    expect(
      decide('when { context.bytes > 5 }'.replace('context', 'context has bytes && context')),
    ).toMatchObject({ outcome: 'allow', policies: [] });
    expect(decide('when { context.arguments.hasTag("/Name") }')).toMatchObject({
      outcome: 'deny',
      policies: ['p/gate'],
      reasons: ['s3:PutObject: forbidden by p/gate'],
    });
  });

  it('allows what the approvals of the request allow', () => {
    const unless = 'unless { context.approvals.contains("owners") }';
    expect(decide(unless).outcome).toBe('deny');
    expect(decide(unless, put, ['owners']).outcome).toBe('allow');
  });

  it.each([
    [
      'the resource',
      'context.resource like "nothing"',
      { pairs: [{ action: { name: 's3:PutObject' } }] },
    ],
    [
      'the access levels',
      'context.accessLevels.contains("Escalation")',
      { pairs: [{ action: { name: 's3:Nothing' } }] },
    ],
    ['the bytes', 'context has bytes && context.bytes > 9', { bytes: undefined }],
    ['the arguments', 'context.arguments.hasTag("/Other")', { arguments: undefined }],
  ])('lets a forbid hold while %s it mentions are unknown', (_, condition, unknown) => {
    expect(decide(`when { ${condition} }`).outcome).toBe('allow');
    expect(decide(`when { ${condition} }`, { ...put, ...unknown }).outcome).toBe('deny');
    expect(decide('when { context.role == "x" }', { ...put, ...unknown }).outcome).toBe('allow');
  });

  it('denies what fails to evaluate, and everything while a policy is invalid', () => {
    expect(decide('when { context.hour + 9223372036854775807 > 0 }').outcome).toBe('deny');
    const invalid = compilePolicies([{ name: 'p', cedar: 'no Cedar' }]);
    expect(evaluateCallPolicy(invalid, buildQuestion(), put).outcome).toBe('deny');
  });
});
