import { describe, expect, it } from '@jest/globals';
import {
  buildReadStatement,
  buildRunRequest,
  buildReportTask,
  loadCatalog,
} from './fixtures/policy-requests.ts';
import type { PolicyDecision, RunPolicyRequest } from './decision.ts';
import { compilePolicies } from './compiled-policies.ts';
import { evaluateRunPolicy } from './run-decision.ts';

type Texts = Readonly<Record<string, string>>;

const compileTexts = (texts: Texts) =>
  compilePolicies(Object.entries(texts).map(([name, cedar]) => ({ name, cedar })));

const evaluateTexts = (
  texts: Texts,
  changes: Partial<RunPolicyRequest> = {},
): Promise<PolicyDecision> =>
  evaluateRunPolicy({ policies: compileTexts(texts), loadCatalog }, buildRunRequest(changes));

const buildPermit = (condition = 'true'): string =>
  `permit (principal, action, resource) when { ${condition} };`;
const buildForbid = (condition: string): string =>
  `forbid (principal, action, resource) when { ${condition} };`;

const OBJECTS = 'arn:aws:s3:::acme-data/reports/*';

describe('evaluateRunPolicy', () => {
  const decideDeletion = (cedar: string, dialect: 'aws' | 's3', resource: string) => {
    const task = buildReportTask({
      allow: [{ actions: ['s3:DeleteObject'], resources: [resource] }],
    });
    const policies = compileTexts({ a: cedar });
    return evaluateRunPolicy({ policies, loadCatalog }, buildRunRequest({ task, dialect }));
  };
  const NO_VERSIONS = `${buildPermit()}${buildForbid('context.action == "s3:DeleteObjectVersion"')}`;
  const ONE_KEY = buildPermit('context.resource like "arn:aws:s3:::acme/tmp"');

  it('denies a deletion in dialect s3 if deletion of versions is forbidden, and says why', async () => {
    expect(await decideDeletion(NO_VERSIONS, 's3', 'arn:aws:s3:::acme/tmp/*')).toMatchObject({
      outcome: 'deny',
      reasons: [
        's3:DeleteObjectVersion (which MinIO allows with s3:DeleteObject) on arn:aws:s3:::acme/tmp/*: forbidden by a/1',
      ],
    });
  });

  it('denies the deletion of a key in dialect s3 if what is below it is not permitted', async () => {
    const { outcome, reasons } = await decideDeletion(ONE_KEY, 's3', 'arn:aws:s3:::acme/tmp');
    expect(outcome).toBe('deny');
    expect(reasons.join()).toContain('on arn:aws:s3:::acme/tmp/*: no policy permits it');
  });

  it.each([
    [NO_VERSIONS, 'arn:aws:s3:::acme/tmp/*'],
    [ONE_KEY, 'arn:aws:s3:::acme/tmp'],
  ])(
    'allows such a deletion in dialect aws, where it reaches nothing else: %s',
    async (...args) => {
      const [cedar, resource] = args;
      expect(await decideDeletion(cedar, 'aws', resource)).toMatchObject({ outcome: 'allow' });
    },
  );

  it('denies when there is no policy', async () => {
    expect(await evaluateTexts({})).toMatchObject({
      outcome: 'deny',
      policies: [],
      reasons: [`s3:GetObject on ${OBJECTS}: no policy permits it`],
    });
  });

  it('allows and names the policies that permit it, sorted by ID', async () => {
    const named = '@id("named") permit (principal, action, resource);';
    expect(
      await evaluateTexts({ b: buildPermit(), a: `${buildPermit('false')}${named}` }),
    ).toMatchObject({
      outcome: 'allow',
      policies: ['a/named', 'b/0'],
      reasons: ['permitted by a/named, b/0'],
    });
  });

  it('denies when one forbid applies, even if others permit', async () => {
    expect(
      await evaluateTexts({ a: buildPermit(), b: buildForbid('context.role like "*"') }),
    ).toMatchObject({
      outcome: 'deny',
      policies: ['b/0'],
      reasons: [`s3:GetObject on ${OBJECTS}: forbidden by b/0`],
    });
  });

  it.each([
    ['forbid', buildForbid('context.lifetimeSeconds * 9223372036854775807 > 0')],
    ['permit', buildPermit('context.lifetimeSeconds * 9223372036854775807 > 0')],
  ])('denies when a %s cannot be evaluated', async (_, failing) => {
    expect(await evaluateTexts({ a: buildPermit(), b: failing })).toMatchObject({
      outcome: 'deny',
      policies: ['b/0'],
      reasons: [`s3:GetObject on ${OBJECTS}: b/0 could not be evaluated`],
    });
  });

  it('denies while one TaskPolicy is invalid, and names it', async () => {
    const decision = await evaluateTexts({
      a: buildPermit(),
      b: buildForbid('context.nothere == 1'),
    });
    expect(decision).toMatchObject({ outcome: 'deny', policies: [] });
    expect(decision.reasons.join()).toContain('TaskPolicy b is invalid');
  });

  it('denies when two TaskPolicies have the same name', async () => {
    const both = [
      { name: 'a', cedar: buildForbid('true') },
      { name: 'a', cedar: buildPermit() },
    ];
    const { outcome, reasons } = await evaluateRunPolicy(
      { policies: compilePolicies(both), loadCatalog },
      buildRunRequest(),
    );
    expect([outcome, ...reasons].join()).toContain('deny,two TaskPolicies are named a');
  });

  it('denies when there are too many policies', async () => {
    const cedar = buildPermit().repeat(64);
    const many = Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`${index}`, cedar]));
    const { outcome, reasons } = await evaluateTexts(many);
    expect([outcome, ...reasons].join()).toContain(
      'deny,all TaskPolicies together contain 1088 policies',
    );
  });

  it('is not evaluated when admit rejects the number of pairs', async () => {
    const policies = compileTexts({ a: buildPermit() });
    const admit = (pairs: number): void => {
      throw new Error(`${pairs} are too many`);
    };
    const decision = evaluateRunPolicy({ policies, loadCatalog, admit }, buildRunRequest({}));
    await expect(decision).rejects.toThrow('1 are too many');
  });

  it('denies an action that the catalog does not know', async () => {
    const allow = [{ actions: ['s3:GetObject', 's3:Fly'], resources: [OBJECTS] }];
    expect(
      await evaluateTexts({ a: buildPermit() }, { task: buildReportTask({ allow }) }),
    ).toMatchObject({
      outcome: 'deny',
      reasons: ['allow[0].actions[1]: expected an action that exists, written out, got "s3:Fly"'],
    });
  });

  it('denies when one pair of many is denied, and reports only denied pairs', async () => {
    const writes = ['', 'Acl', 'LegalHold', 'Retention', 'Tagging'].map(
      (kind) => `s3:PutObject${kind}`,
    );
    const allow = [{ actions: ['s3:GetObject', ...writes], resources: [OBJECTS] }];
    const reads = buildPermit('["Read", "List"].containsAll(context.accessLevels)');
    const { outcome, reasons } = await evaluateTexts(
      { a: reads },
      { task: buildReportTask({ allow }) },
    );
    expect(outcome).toBe('deny');
    expect(reasons.join()).toMatch(
      /^s3:PutObject, (s3:\w+, ){2}s3:\w+ and 1 more on .*: no policy permits it$/,
    );
  });

  it('reports eight reasons and the number of further ones', async () => {
    const resources = Array.from({ length: 11 }, (_, index) => `arn:aws:s3:::acme-${index}/*`);
    const { reasons } = await evaluateTexts(
      {},
      { task: buildReportTask({ allow: [buildReadStatement(...resources)] }) },
    );
    expect(reasons).toHaveLength(9);
    expect(reasons.at(-1)).toBe('and 3 more reasons');
  });
});

describe('a policy of a run', () => {
  it.each<[string, string, Partial<RunPolicyRequest>]>([
    ['the namespace', 'principal in Namespace::"research"', {}],
    ['the namespace by name', 'principal.namespace.name == "research"', {}],
    ['the workload', 'principal == Workload::"research/reporter"', {}],
    ['the service account', 'principal.serviceAccount == "reporter"', {}],
    ['the task', 'resource == Task::"summarize" && resource.name like "summar*"', {}],
    ['the role', 'context.role == "arn:aws:iam::111122223333:role/agent-reports"', {}],
    ['the lifetime', 'context.lifetimeSeconds == 600', {}],
    ['the delivery', 'context.delivery == "vend"', {}],
    ['the binding', 'context.sourceRestriction == "podIP"', { sourceRestriction: 'podIP' }],
    ['the action', 'context.action == "s3:GetObject"', {}],
    ['its access levels', 'context.accessLevels == ["Read"]', {}],
    [
      'the resource',
      'context.resource == "arn:aws:s3:::acme-data/a"',
      {
        task: buildReportTask({ allow: [buildReadStatement('arn:aws:s3:::acme-data/a')] }),
      },
    ],
    ['no user', '!(context has user)', {}],
    [
      'a user',
      'context has user && context.user.issuer == "i" && context.user.subject == "s"',
      {
        user: { issuer: 'i', subject: 's' },
      },
    ],
    ['approvals', 'context.approvals.contains("owners")', { approvals: ['owners'] }],
    ['the hour and minute, in UTC', 'context.hour == 13 && context.minute == 30', {}],
    ['the weekday', 'context.weekday == "Monday"', {}],
    [
      'the weekday on a Sunday',
      'context.weekday == "Sunday"',
      { atMs: Date.UTC(2026, 0, 4, 23, 59) },
    ],
  ])('can use %s', async (_, condition, changes) => {
    expect((await evaluateTexts({ a: buildPermit(condition) }, changes)).outcome).toBe('allow');
  });

  it('can use labels of the namespace', async () => {
    const condition =
      'principal.namespace.hasTag("a/b") && principal.namespace.getTag("a/b") == "c"';
    const principal = { ...buildRunRequest().principal, namespaceLabels: { 'a/b': 'c' } };
    expect((await evaluateTexts({ a: buildPermit(condition) }, { principal })).outcome).toBe(
      'allow',
    );
    expect((await evaluateTexts({ a: buildPermit(condition) })).outcome).toBe('deny');
  });

  it('can use params and the bound resource, which reasons never contain', async () => {
    const task = buildReportTask({
      allow: [buildReadStatement('arn:aws:s3:::acme-data/{customer}/*')],
      params: { customer: { pattern: '.*', maxLength: 64 } },
    });
    const byParam =
      'context.params.hasTag("customer") && context.params.getTag("customer") == "acme"';
    const byResource = 'context.resource like "arn:aws:s3:::acme-data/acme/*"';
    for (const condition of [byParam, byResource]) {
      const evaluateFor = (customer: string) =>
        evaluateTexts({ a: buildPermit(condition) }, { task, params: { customer } });
      expect((await evaluateFor('acme')).outcome).toBe('allow');
      const { outcome, reasons } = await evaluateFor('secret-inc');
      expect([outcome, ...reasons].join()).toBe(
        'deny,s3:GetObject on arn:aws:s3:::acme-data/{customer}/*: no policy permits it',
      );
    }
  });

  it('is not evaluated when a param has no value', async () => {
    const task = buildReportTask({
      allow: [buildReadStatement('arn:aws:s3:::acme-data/{customer}/*')],
    });
    await expect(evaluateTexts({ a: buildPermit() }, { task })).rejects.toThrow('has no value');
  });
});

describe('the version of compiled policies', () => {
  const policies = [
    { name: 'a', cedar: buildPermit() },
    { name: 'b', cedar: buildPermit() },
  ];
  const [{ version }, turned] = [compilePolicies(policies), compilePolicies(policies.toReversed())];

  it('does not depend on the order of policies', () => {
    expect(version).toMatch(/^[0-9a-f]{64}$/);
    expect(turned.version).toBe(version);
  });

  it('is part of each decision', async () => {
    expect(
      (await evaluateRunPolicy({ policies: turned, loadCatalog }, buildRunRequest())).version,
    ).toBe(version);
  });

  it('changes with a name, a text and a comment', () => {
    const [first = { name: '', cedar: '' }, second = first] = policies;
    const others = [
      [first],
      [first, { ...second, name: 'c' }],
      [first, { ...second, cedar: buildPermit('false') }],
      [first, { ...second, cedar: `// \n${second.cedar}` }],
    ].map((set) => compilePolicies(set).version);
    expect(new Set([version, ...others]).size).toBe(5);
  });

  it('identifies the policies of a decision when sets alternate', async () => {
    const [yes, no] = [
      compileTexts({ a: buildPermit() }),
      compileTexts({ a: buildPermit('false') }),
    ];
    const outcomes: string[] = [];
    for (const each of [yes, no, yes, no, no, yes]) {
      outcomes.push(
        (await evaluateRunPolicy({ policies: each, loadCatalog }, buildRunRequest())).outcome,
      );
    }
    expect(outcomes).toEqual(['allow', 'deny', 'allow', 'deny', 'deny', 'allow']);
  });
});
