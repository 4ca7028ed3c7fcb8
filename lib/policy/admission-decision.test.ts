import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Task } from '../contract/task.ts';
import { decideAtAdmission } from './admission-decision.ts';
import type { Decision } from './decision.ts';
import { loadAnyAction, loadCatalogue, reading, runOf, taskOf } from './fixtures/questions.ts';
import { openPolicies } from './policies.ts';
import { decide } from './run-decision.ts';

const permit = (condition: string): string =>
  `permit (principal, action, resource) when { ${condition} };`;
const forbid = (condition: string, clause = 'when'): string =>
  `forbid (principal, action, resource) ${clause} { ${condition} };`;
const open = (cedar: string) => openPolicies([{ name: 'any', cedar }]);

const withPlace = taskOf({
  allow: [reading('arn:aws:s3:::acme-data/{customer}/*')],
  params: { customer: { pattern: '.*', maxLength: 64 } },
});

const admit = async (cedar: string, task: Task = withPlace): Promise<Decision> =>
  decideAtAdmission({ policies: open(cedar), loadCatalogue }, { ...runOf(), task });

const ALL = permit('true');

describe('at admission', () => {
  test.each<[string, Decision['outcome'], string]>([
    ['no policy permits it', 'deny', permit('context.role == "another"')],
    ['something permits it', 'allow', ALL],
    ['it hangs on the time', 'undecided', permit('context.hour < 8')],
    ['it hangs on the weekday', 'undecided', permit('context.weekday == "Monday"')],
    [
      'it hangs on approvals',
      'undecided',
      ALL + forbid('context.approvals.contains("x")', 'unless'),
    ],
    [
      'it hangs on who the user is',
      'undecided',
      permit('context has user && context.user.subject == "x"'),
    ],
    ['it hangs on whether there is a user', 'undecided', permit('context has user')],
    ['it hangs on there being no user', 'undecided', permit('!(context has user)')],
    ['a user would forbid it', 'undecided', ALL + forbid('context has user.subject')],
    ['a purpose would forbid it', 'undecided', ALL + forbid('context has purpose')],
    [
      'it hangs on the value of a param',
      'undecided',
      permit('context.params.hasTag("customer") && context.params.getTag("customer") == "x"'),
    ],
    ['it hangs on a param that it has', 'allow', permit('context.params.hasTag("customer")')],
    ['it hangs on a param that it has not', 'deny', permit('context.params.hasTag("another")')],
    [
      'every value of its params is covered',
      'allow',
      permit('context.resource like "arn:aws:s3:::acme-data/*"'),
    ],
    [
      'some values of its params are covered',
      'undecided',
      permit('context.resource like "arn:aws:s3:::acme-data/a*/*"'),
    ],
    [
      'no value of its params is covered',
      'deny',
      permit('context.resource like "arn:aws:s3:::other/*"'),
    ],
    [
      'no value of its params is narrow enough',
      'deny',
      permit('context.resource == "arn:aws:s3:::acme-data/a/b"'),
    ],
    [
      'what is known rules out what is not, on the right',
      'deny',
      permit('context.hour < 8 && context.role == "another"'),
    ],
    ['what is known forbids it', 'deny', ALL + forbid('context.lifetimeSeconds > 60')],
    [
      'something fails by what is known',
      'deny',
      ALL + forbid('context.lifetimeSeconds * 9007199254740991 * 9007199254740991 > 1'),
    ],
    [
      'a number is larger than JSON can say',
      'undecided',
      permit('context.lifetimeSeconds < 9223372036854775807'),
    ],
    ['a policy is invalid', 'deny', `${ALL}${permit('context.nothere == 1')}`],
  ])('where %s: %s', async (_, outcome, cedar) => {
    expect((await admit(cedar)).outcome).toBe(outcome);
  });

  test('says what it hangs on, and by which policies', async () => {
    const cedar = permit('context.hour < 8') + forbid('context.approvals.contains("x")', 'unless');
    expect(await admit(cedar)).toMatchObject({
      policies: ['any/0', 'any/1'],
      reasons: [
        's3:GetObject on arn:aws:s3:::acme-data/{customer}/*: hangs on approvals, hour by any/0, any/1',
      ],
    });
  });

  test('denies by what a forbid says, with its name', async () => {
    expect(await admit(ALL + forbid('context.delivery == "vend"'))).toMatchObject({
      policies: ['any/1'],
      reasons: ['s3:GetObject on arn:aws:s3:::acme-data/{customer}/*: forbidden by any/1'],
    });
  });

  test('is denied where there is no policy at all', async () => {
    const parts = { policies: openPolicies([]), loadCatalogue };
    expect(await decideAtAdmission(parts, runOf())).toMatchObject({
      outcome: 'deny',
      policies: [],
    });
  });

  test('is denied where one pair is, and undecided where one pair is and none is denied', async () => {
    const task = taskOf({ allow: [reading('arn:aws:s3:::a/*', 'arn:aws:s3:::b/*')] });
    const [a, b] = [
      'context.resource like "arn:aws:s3:::a/*"',
      'context.resource like "arn:aws:s3:::b/*"',
    ];
    expect((await admit(permit(a), task)).outcome).toBe('deny');
    const later = `${a} || ${b} && context.hour < 8`;
    expect(await admit(permit(later), task)).toMatchObject({
      outcome: 'undecided',
      reasons: ['s3:GetObject on arn:aws:s3:::b/*: hangs on hour by any/0'],
    });
  });
});

const word = fc.stringMatching(/^[ab/]{1,3}$/);
const later = fc.constantFrom(
  'context.hour < 12',
  'context.weekday == "Monday"',
  'context has user',
  'context has user && context.user.subject == "a"',
  '!(context has purpose)',
  'context has purpose && context.purpose like "a*"',
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
const joined = (part: fc.Arbitrary<string>) =>
  fc
    .array(fc.tuple(part, fc.constantFrom('&&', '||')), { minLength: 1, maxLength: 4 })
    .map((parts) =>
      parts.map(([text, operator], at) => (at === 0 ? text : `${operator} (${text})`)),
    )
    .map((parts) => parts.join(' '));
const policy = fc.oneof(
  joined(fc.oneof(covered, later)).map(permit),
  joined(later).map((condition) => forbid(condition)),
  joined(fc.oneof(covered, later)).map((condition) => forbid(condition, 'unless')),
);
const resource = fc.stringMatching(/^([ab/*?]|\{p\}){1,4}$/).map((text) => `arn:aws:s3:::${text}`);
const run = fc.record({
  p: word,
  hour: fc.integer({ min: 0, max: 23 }),
  day: fc.integer({ min: 1, max: 7 }),
  user: fc.option(fc.record({ issuer: word, subject: word }), { nil: undefined }),
  purpose: fc.option(word, { nil: undefined }),
  approvals: fc.subarray(['a', 'b']),
});

test('a deny at admission holds for every run, and an allow for every run that no failure stops', async () => {
  const seen = new Set<string>();
  const judge = async (
    cedar: string,
    text: string,
    {
      p,
      hour,
      day,
      user,
      purpose,
      approvals,
    }: typeof run extends fc.Arbitrary<infer T> ? T : never,
  ): Promise<void> => {
    const parts = { policies: open(cedar), loadCatalogue: loadAnyAction };
    expect(parts.policies.blockers).toEqual([]);
    const task = taskOf({ allow: [reading(text)], params: { p: { pattern: '.*', maxLength: 9 } } });
    const admitted = await decideAtAdmission(parts, { ...runOf(), task });
    const { outcome } = await decide(parts, {
      ...runOf({ task, params: { p }, approvals, at: Date.UTC(2026, 0, day, hour) }),
      ...(user === undefined ? {} : { user }),
      ...(purpose === undefined ? {} : { purpose }),
    });
    seen.add(`${admitted.outcome} ${outcome}`);
    if (admitted.outcome !== 'undecided') expect(outcome).toBe(admitted.outcome);
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(policy, { minLength: 1, maxLength: 4 }).map((policies) => policies.join('\n')),
      resource,
      run,
      judge,
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
