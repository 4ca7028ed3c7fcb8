import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';

const permit = (condition: string): string =>
  `permit (principal, action == Action::"run", resource) when { ${condition} };`;
const forbid = (condition: string): string =>
  `forbid (principal, action == Action::"run", resource) when { ${condition} };`;
const forbidUnless = (condition: string): string =>
  `forbid (principal, action, resource) unless { ${condition} };`;

const RESOURCE = 'context.resource like "arn:aws:s3:::acme-data/reports/*"';
const RISKY = 'context.lifetimeSeconds * 9223372036854775807 > 0';
const APPROVED =
  '["Read", "List"].containsAll(context.accessLevels) || context.approvals.contains("owners")';
const BY_PLACE =
  'permit (principal in Namespace::"research", action, resource == Task::"summarize");';

/** Sets of TaskPolicies by name. */
export const POLICY_SETS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  none: {},
  starter: { starter: STARTER_POLICY },
  resource: { reports: permit(RESOURCE) },
  unless: { all: permit('true'), only: forbidUnless(RESOURCE) },
  approval: { all: permit('true'), approval: forbidUnless(APPROVED) },
  hours: { day: permit('context.hour >= 8 && context.hour < 18 && context.weekday != "Sunday"') },
  user: { human: permit('context has user && context.user.subject == "alice@example.org"') },
  sourceRestriction: { bound: permit('context.sourceRestriction == "podIP"') },
  role: { role: permit('context.role like "arn:aws:iam::111122223333:role/*"') },
  place: { place: BY_PLACE },
  param: {
    param: permit(
      'context.params.hasTag("customer") && context.params.getTag("customer") == "acme"',
    ),
  },
  failing: { all: permit('true'), failing: forbid(RISKY) },
  failingPermit: { all: permit('true'), failing: permit(RISKY) },
  invalid: { all: permit('true'), invalid: forbid('context.nothere == 1') },
  named: { b: permit('true'), a: `@id("named") ${permit('true')} ${permit('false')}` },
};

const CONDITIONS: readonly string[] = [
  ...[RESOURCE, 'true', `!(${RESOURCE})`, `!!(${RESOURCE})`, `if ${RESOURCE} then true else false`],
  ...['context.resource == "arn:aws:s3:::b/k"', 'context.resource == "arn:aws:s3:::b/*"'],
  ...['context.resource == context.role', 'context.resource != "a"', '"a" == context.resource'],
  ...['context.resource like "a?b"', 'context.resource like "a\\*b"', 'context has resource'],
  ...['context["resource"] like "a*"', 'context == {}', '[context.resource].contains("a")'],
  ...[
    'unknown("x")',
    'context.hour == "1"',
    'context.user.subject == "x"',
    'context.purpose == "x"',
  ],
  ...['context has purpose && context.purpose == "x"', 'context.params.getTag("a") == "b"'],
  ...['context.action == "s3:GetObject" && context.hour == 1 && false', 'context.nothere == 1'],
  ...[`${RESOURCE} && context.action == "s3:GetObject"`, `${RESOURCE} || context.hour == 1`, '=='],
  ...[
    'context.accessLevels.contains("Write")',
    'context.role == "r"',
    'context.lifetimeSeconds < 9',
  ],
];

/** TaskPolicies on their own: sound ones and ones that the validator refuses. */
export const SINGLE_POLICIES: readonly string[] = [
  STARTER_POLICY,
  ...CONDITIONS.flatMap((condition) => [
    permit(condition),
    forbid(condition),
    permit(condition).replace('when', 'unless'),
    forbidUnless(condition),
  ]),
  ...['', '// words', permit('true').repeat(65), ' '.repeat(65_537), 'permit (principal);'],
  ...['permit (principal == ?principal, action, resource);', `@id ${permit('true')}`],
  ...[`@id("a/b") ${permit('true')}`, `@id("0") ${permit('true')}`.repeat(2)],
  ...[`${permit('true')} @id("0") ${permit('true')}`, `// "é"\n\n  ${permit('!(1)')}`],
  ...[
    'permit (principal, action == Action::"go", resource);',
    permit('('.repeat(200) + ')'.repeat(200)),
  ],
];
