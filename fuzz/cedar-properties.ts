import assert from 'node:assert/strict';
import fc from 'fast-check';
import { createWorkerClient } from './worker-client.ts';
import { createProperty, type Property } from './property.ts';

/** As workers/cedar.ts answers. */
type CedarCheckResult = {
  readonly outcome: string;
  readonly isConsistent: boolean;
  readonly isSoundPolicyAccepted: boolean;
};

const cedarWorker = createWorkerClient<CedarCheckResult>('cedar');

const MAX_CEDAR_LENGTH = 65_536;

/** Repeated tokens of a text that is meant to break a parser or a walk of its syntax tree. */
const UNITS = [
  ...[
    '(',
    '[',
    '{',
    '!',
    '-',
    '!(',
    '-(',
    '!-',
    '.a',
    '["a"]',
    '.contains(',
    ' && ',
    ' || ',
    ' + ',
  ],
  ...[' == ', ' < ', ' like ', ' has ', ' in ', ' is ', 'if a then b else ', 'if ', 'else ', ','],
  ...[
    'a::',
    'A::"x"',
    'A::B::',
    '"',
    '\\',
    '\\u{0}',
    '\\u{10ffff}',
    '\\u{ffffffff}',
    '\\x00',
    '\\*',
  ],
  ...['@a("b")', '@a', '?principal', '//', '/*', '\n', '\t', '\0', 'é', '\ud83d\ude00', '\ud800'],
  ...[
    'context',
    'context.',
    'principal',
    'ip("1.2.3.4")',
    'decimal("1.1")',
    'datetime("2020-01-01")',
  ],
  ...[
    '9',
    '99999999999999999999',
    '-9223372036854775808',
    '* ',
    'true',
    '[1,',
    '{"a":',
    '{a:',
    '[[],',
  ],
  ...['permit (principal, action, resource);', 'permit', 'forbid', 'when {', 'unless {', '};', ';'],
  ...['when { true }', 'principal in [', 'action in [Action::"run",', 'A::"x",', 'resource == '],
] as const;

const FRAMES = [
  ['', ''],
  ['permit (principal, action, resource) when { ', ' };'],
  ['permit (principal, action == Action::"run", resource) when { context.resource like "', '" };'],
  ['permit (principal, action in [', '], resource);'],
  ['permit (principal == ', ', action, resource);'],
  ['permit (principal, action, resource) when { [', '].contains(1) };'],
  ['permit (principal, action, resource) when { {', '} has a };'],
  ['@id("', '") permit (principal, action, resource);'],
  ['permit (principal, action, resource) ', ';'],
] as const;

const repeated = fc
  .tuple(
    fc.array(fc.constantFrom<string>(...UNITS), { minLength: 1, maxLength: 3 }),
    fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 400 }), fc.nat({ max: 8_000 })),
  )
  .map(([units, times]) => units.join('').repeat(times).slice(0, MAX_CEDAR_LENGTH));

const mixed = fc
  .array(fc.oneof(fc.constantFrom<string>(...UNITS), fc.string({ unit: 'binary', maxLength: 5 })), {
    maxLength: 60,
  })
  .map((pieces) => pieces.join(' '));

const anyCedar = fc
  .tuple(fc.constantFrom(...FRAMES), fc.oneof(repeated, mixed, fc.tuple(repeated, mixed)))
  .map(([[before, after], inside]) => before + [inside].flat().join('') + after);

/** The worker's timeout bounds the check: a text of 64 KiB takes less, or the parser hangs. */
const checksAnyCedar = createProperty(
  'any text as Cedar: findings; never a throw, a hang, or a broken Cedar',
  {
    runs: 120,
    inputs: anyCedar,
    holds: async (text) => {
      const { outcome, isConsistent, isSoundPolicyAccepted } = await cedarWorker.ask(text);
      assert.match(outcome, /^(policies|faults)$/);
      assert.ok(isSoundPolicyAccepted, 'a sound policy is no longer accepted');
      assert.ok(isConsistent, 'a policy is at fault and not refused, or the other way round');
    },
  },
);

export const cedarProperties: readonly Property[] = [
  { ...checksAnyCedar, close: cedarWorker.close },
];
