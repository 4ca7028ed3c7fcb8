import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import type { Task } from '../contract/task.ts';
import { evaluateAdmissionPolicy } from './admission-decision.ts';
import type { PolicyDecision } from './decision.ts';
import {
  loadAnyActionCatalog,
  loadCatalog,
  buildReadStatement,
  buildRunRequest,
  buildReportTask,
} from './fixtures/policy-requests.ts';
import { compilePolicies } from './compiled-policies.ts';
import { evaluateRunPolicy } from './run-decision.ts';

const buildPermit = (condition: string): string =>
  `permit (principal, action, resource) when { ${condition} };`;
const buildForbid = (condition: string, clause = 'when'): string =>
  `forbid (principal, action, resource) ${clause} { ${condition} };`;
const compileText = (cedar: string) => compilePolicies([{ name: 'any', cedar }]);

const taskWithPlaceholder = buildReportTask({
  allow: [buildReadStatement('arn:aws:s3:::acme-data/{customer}/*')],
  params: { customer: { pattern: '.*', maxLength: 64 } },
});

const evaluateText = async (
  cedar: string,
  task: Task = taskWithPlaceholder,
): Promise<PolicyDecision> =>
  evaluateAdmissionPolicy(
    { policies: compileText(cedar), loadCatalog },
    { ...buildRunRequest(), task },
  );

const ALL = buildPermit('true');

describe('a policy about the run that delegates', () => {
  const forbid = ALL + buildForbid('context has parent && context.parent.depth > 1');
  const permit = buildPermit('context has parent && context.parent.task == "plan"');
  it.each<[string, Task['delegated'], PolicyDecision['outcome'], PolicyDecision['outcome']]>([
    ['refuses delegation', undefined, 'allow', 'deny'],
    ['allows delegation', 'allowed', 'undecided', 'undecided'],
    ['requires delegation', 'required', 'undecided', 'undecided'],
  ])('of a task that %s: %s', async (_, delegated, forbidden, permitted) => {
    const task = { ...taskWithPlaceholder, ...(delegated && { delegated }) };
    expect((await evaluateText(forbid, task)).outcome).toBe(forbidden);
    expect((await evaluateText(permit, task)).outcome).toBe(permitted);
    const without = await evaluateText(buildPermit('!(context has parent)'), task);
    const outcomes = { allowed: 'undecided', required: 'deny' } as const;
    expect(without.outcome).toBe(delegated === undefined ? 'allow' : outcomes[delegated]);
  });
});

describe('evaluateAdmissionPolicy', () => {
  it.each<[string, PolicyDecision['outcome'], string]>([
    ['no policy permits it', 'deny', buildPermit('context.role == "another"')],
    ['something permits it', 'allow', ALL],
    ['it depends on the time', 'undecided', buildPermit('context.hour < 8')],
    ['it depends on the weekday', 'undecided', buildPermit('context.weekday == "Monday"')],
    [
      'it depends on approvals',
      'undecided',
      ALL + buildForbid('context.approvals.contains("x")', 'unless'),
    ],
    [
      'it depends on who the user is',
      'undecided',
      buildPermit('context has user && context.user.subject == "x"'),
    ],
    ['it depends on whether there is a user', 'undecided', buildPermit('context has user')],
    ['it depends on there being no user', 'undecided', buildPermit('!(context has user)')],
    ['a user would forbid it', 'undecided', ALL + buildForbid('context has user.subject')],
    [
      'it depends on the value of a param',
      'undecided',
      buildPermit('context.params.hasTag("customer") && context.params.getTag("customer") == "x"'),
    ],
    [
      'it depends on a param that it has',
      'allow',
      buildPermit('context.params.hasTag("customer")'),
    ],
    [
      'it depends on a param that it lacks',
      'deny',
      buildPermit('context.params.hasTag("another")'),
    ],
    [
      'every value of its params is covered',
      'allow',
      buildPermit('context.resource like "arn:aws:s3:::acme-data/*"'),
    ],
    [
      'some values of its params are covered',
      'undecided',
      buildPermit('context.resource like "arn:aws:s3:::acme-data/a*/*"'),
    ],
    [
      'no value of its params is covered',
      'deny',
      buildPermit('context.resource like "arn:aws:s3:::other/*"'),
    ],
    [
      'no value of its params is narrow enough',
      'deny',
      buildPermit('context.resource == "arn:aws:s3:::acme-data/a/b"'),
    ],
    [
      'what is known rules out what is not, on the right',
      'deny',
      buildPermit('context.hour < 8 && context.role == "another"'),
    ],
    ['what is known forbids it', 'deny', ALL + buildForbid('context.lifetimeSeconds > 60')],
    [
      'something fails by what is known',
      'deny',
      ALL + buildForbid('context.lifetimeSeconds * 9007199254740991 * 9007199254740991 > 1'),
    ],
    [
      'a number is larger than JSON can say',
      'undecided',
      buildPermit('context.lifetimeSeconds < 9223372036854775807'),
    ],
    ['a policy is invalid', 'deny', `${ALL}${buildPermit('context.nothere == 1')}`],
  ])('when %s, returns %s', async (_, outcome, cedar) => {
    expect((await evaluateText(cedar)).outcome).toBe(outcome);
  });

  it('reports the unknown values and the policies that a decision depends on', async () => {
    const cedar =
      buildPermit('context.hour < 8') + buildForbid('context.approvals.contains("x")', 'unless');
    expect(await evaluateText(cedar)).toMatchObject({
      policies: ['any/0', 'any/1'],
      reasons: [
        's3:GetObject on arn:aws:s3:::acme-data/{customer}/*: depends on approvals, hour by any/0, any/1',
      ],
    });
  });

  it('denies when a forbid applies, and names it', async () => {
    expect(await evaluateText(ALL + buildForbid('context.delivery == "vend"'))).toMatchObject({
      policies: ['any/1'],
      reasons: ['s3:GetObject on arn:aws:s3:::acme-data/{customer}/*: forbidden by any/1'],
    });
  });

  it('denies when there is no policy', async () => {
    const parts = { policies: compilePolicies([]), loadCatalog };
    expect(await evaluateAdmissionPolicy(parts, buildRunRequest())).toMatchObject({
      outcome: 'deny',
      policies: [],
    });
  });

  it('is denied when one pair is denied, and undecided when one pair is undecided and none denied', async () => {
    const task = buildReportTask({
      allow: [buildReadStatement('arn:aws:s3:::a/*', 'arn:aws:s3:::b/*')],
    });
    const [a, b] = [
      'context.resource like "arn:aws:s3:::a/*"',
      'context.resource like "arn:aws:s3:::b/*"',
    ];
    expect((await evaluateText(buildPermit(a), task)).outcome).toBe('deny');
    const later = `${a} || ${b} && context.hour < 8`;
    expect(await evaluateText(buildPermit(later), task)).toMatchObject({
      outcome: 'undecided',
      reasons: ['s3:GetObject on arn:aws:s3:::b/*: depends on hour by any/0'],
    });
  });
});

const word = fc.stringMatching(/^[ab/]{1,3}$/);
const unknownConditions = fc.constantFrom(
  'context.hour < 12',
  'context.weekday == "Monday"',
  'context has user',
  'context has user && context.user.subject == "a"',
  '!(context has user)',
  'context has user && context.user.issuer like "a*"',
  'context.approvals.contains("a")',
  'context.params.hasTag("p") && context.params.getTag("p") == "a"',
  'context.params.hasTag("q")',
  'context.lifetimeSeconds > 60',
  'context.lifetimeSeconds > 6000',
  'true',
  'false',
);
const pattern = fc.stringMatching(/^[ab/*]{0,5}$/);
const covered = fc.oneof(
  pattern.map((text) => `context.resource like "arn:aws:s3:::${text}"`),
  word.map((text) => `context.resource == "arn:aws:s3:::${text}"`),
);
const joinArbitraries = (part: fc.Arbitrary<string>) =>
  fc
    .array(fc.tuple(part, fc.constantFrom('&&', '||')), { minLength: 1, maxLength: 4 })
    .map((parts) =>
      parts.map(([text, operator], at) => (at === 0 ? text : `${operator} (${text})`)),
    )
    .map((parts) => parts.join(' '));
const policy = fc.oneof(
  joinArbitraries(fc.oneof(covered, unknownConditions)).map(buildPermit),
  joinArbitraries(unknownConditions).map((condition) => buildForbid(condition)),
  joinArbitraries(fc.oneof(covered, unknownConditions)).map((condition) =>
    buildForbid(condition, 'unless'),
  ),
);
const resource = fc.stringMatching(/^([ab/*?]|\{p\}){1,4}$/).map((text) => `arn:aws:s3:::${text}`);
const run = fc.record({
  p: word,
  hour: fc.integer({ min: 0, max: 23 }),
  day: fc.integer({ min: 1, max: 7 }),
  user: fc.option(fc.record({ issuer: word, subject: word }), { nil: undefined }),
  approvals: fc.subarray(['a', 'b']),
});

it('decides at admission as for every run, unless it is undecided', async () => {
  const seen = new Set<string>();
  const compareDecisions = async (
    cedar: string,
    text: string,
    { p, hour, day, user, approvals }: typeof run extends fc.Arbitrary<infer T> ? T : never,
  ): Promise<void> => {
    const parts = { policies: compileText(cedar), loadCatalog: loadAnyActionCatalog };
    expect(parts.policies.blockers).toEqual([]);
    const task = buildReportTask({
      allow: [buildReadStatement(text)],
      params: { p: { pattern: '.*', maxLength: 9 } },
    });
    const admitted = await evaluateAdmissionPolicy(parts, { ...buildRunRequest(), task });
    const { outcome } = await evaluateRunPolicy(parts, {
      ...buildRunRequest({ task, params: { p }, approvals, atMs: Date.UTC(2026, 0, day, hour) }),
      ...(user === undefined ? {} : { user }),
    });
    seen.add(`${admitted.outcome} ${outcome}`);
    if (admitted.outcome !== 'undecided') expect(outcome).toBe(admitted.outcome);
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(policy, { minLength: 1, maxLength: 4 }).map((policies) => policies.join('\n')),
      resource,
      run,
      compareDecisions,
    ),
    { numRuns: 400 },
  );
  expect([...seen].sort()).toEqual([
    'allow allow',
    'deny deny',
    'undecided allow',
    'undecided deny',
  ]);
}, 60_000);
