import { describe, expect, it } from '@jest/globals';
import { formatFieldError } from '../schema/field-error.ts';
import { checkPolicy } from './policy-findings.ts';
import { STARTER_POLICY } from './starter-policy.ts';

const checkText = (cedar: string) => checkPolicy({ name: 'any', cedar });
const listErrors = (cedar: string): readonly string[] =>
  checkText(cedar).faults.map(formatFieldError);
const buildPermitWhen = (condition: string): string =>
  `permit (principal, action, resource) when { ${condition} };`;
const OBJECTS = 'context.resource like "arn:aws:s3:::acme/*"';

describe('checkPolicy', () => {
  it('names policies by @id or by index', () => {
    const cedar = Array.from({ length: 12 }, (_, index) =>
      index === 10 ? '@id("tenth") permit (principal, action, resource);' : buildPermitWhen('true'),
    );
    const { policies } = checkText(cedar.join('\n'));
    expect(policies.slice(1, 3)).toEqual(['any/1', 'any/2']);
    expect(policies.slice(9)).toEqual(['any/9', 'any/tenth', 'any/11']);
  });

  it('accepts the starter policy without warnings', () => {
    expect(checkText(STARTER_POLICY)).toEqual({
      name: 'any',
      policies: ['any/labelled-namespaces', 'any/no-escalation'],
      faults: [],
      warnings: [],
    });
  });

  it('warns about a policy that can never apply', () => {
    const { faults, warnings } = checkText(
      buildPermitWhen('context.action == "a" && context.hour == 1 && false'),
    );
    expect(faults).toEqual([]);
    expect(warnings.join()).toContain('policy is impossible');
  });

  it.each([
    ['nothing at all', '// only words', 'line 1, column 1: expected 1 to 64 policies, got 0'],
    ['too many policies', buildPermitWhen('true').repeat(65), 'expected 1 to 64 policies, got 65'],
    ['too long a text', ' '.repeat(65_537), 'expected at most 65536 characters, got 65537'],
    ['a template', 'permit (principal == ?principal, action, resource);', 'templates: 1'],
    ['an empty @id', '@id permit (principal, action, resource);', 'got @id("")'],
    ['an @id with a slash', '@id("a/b") permit (principal, action, resource);', 'got @id("a/b")'],
    ['a repeated @id', '@id("0") permit (principal, action, resource);'.repeat(2), 'another any/0'],
    [
      'an @id that is an index',
      `${buildPermitWhen('true')}@id("0") ${buildPermitWhen('true')}`,
      'another any/0',
    ],
    [
      'no Cedar',
      'permit (principal, action, resource) when { == };',
      'column 45: expected valid Cedar for the schema (expected `!`',
    ],
    [
      'an unknown attribute',
      buildPermitWhen('context.nothere == 1'),
      'got attribute `nothere` in context',
    ],
    ['a wrong type', buildPermitWhen('context.hour == "1"'), 'line 1, column 45'],
    [
      'an unguarded user',
      buildPermitWhen('context.user.subject == "x"'),
      '`context has user && ..`',
    ],
    ['an unguarded param', buildPermitWhen('context.params.getTag("a") == "b"'), 'hasTag'],
    [
      'an unknown action',
      'permit (principal, action == Action::"go", resource);',
      '`Action::"run"`',
    ],
    ['unknown()', buildPermitWhen('unknown("x")'), 'got `unknown()`'],
  ])('rejects %s', (_, cedar, message) => {
    expect(listErrors(cedar).join('\n')).toContain(message);
    expect(checkText(cedar).policies).toEqual([]);
  });

  it('returns all errors at once, each with its position', () => {
    const cedar = `// "é" and context.resource: words\n${buildPermitWhen('context.a == "é" && context.b')}\n\n  ${buildPermitWhen('!(context.resource like "x") && 1')}`;
    expect(checkText(cedar).faults.map(({ path }) => path)).toEqual([
      'line 2, column 45',
      'line 2, column 65',
      'line 4, column 49',
      'line 4, column 79',
    ]);
  });

  it('escapes unprintable characters in messages', () => {
    expect(
      listErrors('permit (principal, action, resource) when { \u202e\u0007 };').join(),
    ).toMatch(/^[ -~]*$/);
  });
});

describe('checkPolicy of sound uses of context.resource', () => {
  it.each([
    [buildPermitWhen(OBJECTS)],
    [buildPermitWhen('context.resource == "arn:aws:s3:::acme"')],
    [buildPermitWhen('context["resource"] == "arn:aws:s3:::acme"')],
    [buildPermitWhen(`context.hour < 5 && (${OBJECTS} || !(context.hour > 3) && (${OBJECTS}))`)],
    [`permit (principal, action, resource) when { context.hour > 1 } when { ${OBJECTS} };`],
    [`forbid (principal, action, resource) unless { ${OBJECTS} || context.hour > 1 };`],
    [`forbid (principal, action, resource) when { context.hour > 1 } unless { ${OBJECTS} };`],
    [buildPermitWhen('context.role like "a?\\*" && context.role == context.action')],
  ])('accepts %s', (cedar) => {
    expect(listErrors(cedar)).toEqual([]);
  });
});

describe('checkPolicy of context.purpose', () => {
  it.each([
    ['an attribute', 'context.purpose == "incident"', 'line 1, column 45'],
    ['an attribute in brackets', 'context["purpose"] like "incident-*"', 'line 1, column 45'],
    ['its presence', 'context has purpose', 'line 1, column 45'],
    ['its absence', '!(context has "purpose")', 'line 1, column 47'],
  ])('rejects %s, because the agent writes it', (_, condition, place) => {
    expect(listErrors(buildPermitWhen(condition))).toEqual([
      expect.stringMatching(
        `^TaskPolicy any ${place}: expected no condition on the purpose: the agent writes it`,
      ),
    ]);
  });

  it('rejects every use, in a forbid too', () => {
    const cedar =
      'forbid (principal, action, resource) unless { context has purpose && context.purpose like "a*" };';
    expect(listErrors(cedar)).toHaveLength(2);
  });

  it('accepts the word in a string', () => {
    expect(listErrors(buildPermitWhen('context.action == "context.purpose"'))).toEqual([]);
  });
});

describe('checkPolicy of unsound uses of context.resource', () => {
  const permit = (clause: string) => `permit (principal, action, resource) ${clause};`;
  const forbid = (clause: string) => `forbid (principal, action, resource) ${clause};`;
  const inPermit = (condition: string) => permit(`when { ${condition} }`);

  it.each([
    ["in a forbid's when", forbid(`when { ${OBJECTS} }`), 45, 'in a forbid'],
    ["in a forbid's when, negated", forbid(`when { !(${OBJECTS}) }`), 47, 'in a forbid'],
    ["in a permit's unless", permit(`unless { ${OBJECTS} }`), 47, 'in a permit'],
    ["in a permit's unless, negated", permit(`unless { !(${OBJECTS}) }`), 49, 'in a permit'],
    ['under !', inPermit(`!(${OBJECTS})`), 47, 'what is allowed'],
    ['under ! twice', inPermit(`!(!(${OBJECTS}))`), 49, 'what is allowed'],
    [
      'deep under !',
      inPermit(`context.hour > 1 && !(context.hour > 2 || ${OBJECTS})`),
      87,
      'what is allowed',
    ],
    ['left of !=', inPermit('context.resource != "a"'), 45, 'what is allowed'],
    ['in a condition of if', inPermit(`if ${OBJECTS} then true else false`), 48, '`&&` and `||`'],
    [
      'in a branch of if',
      inPermit(`if context.hour > 1 then ${OBJECTS} else false`),
      70,
      '`&&` and `||`',
    ],
    ['right of ==', inPermit('"a" == context.resource'), 52, 'context.resource like'],
    [
      'left of == an attribute',
      inPermit('context.resource == context.role'),
      45,
      'a string literal',
    ],
    ['on both sides', inPermit('context.resource == context.resource'), 45, 'a string literal'],
    ['compared as a boolean', inPermit(`(${OBJECTS}) == true`), 46, 'context.resource like'],
    ['in a set', inPermit('["a"].contains(context.resource)'), 60, 'context.resource like'],
    [
      'in a set of sets',
      inPermit('[["a"]].contains([context.resource])'),
      63,
      'context.resource like',
    ],
    ['in a record', inPermit('{a: context.resource} == {a: "b"}'), 49, 'context.resource like'],
    ['of a record', inPermit('{a: context.resource}.a like "b"'), 49, 'context.resource like'],
    [
      'left of like with ?',
      inPermit('context.resource like "a?"'),
      45,
      'whose only wildcard is `*`',
    ],
    [
      'left of like with \\*',
      inPermit('context.resource like "a\\*"'),
      45,
      'whose only wildcard is `*`',
    ],
    ['left of == with *', inPermit('context.resource == "a*"'), 45, '`like` for a pattern'],
    ['left of == with ?', inPermit('context.resource == "a?"'), 45, '`like` for a pattern'],
    ['as an index', inPermit('["a"].contains(context["resource"])'), 60, 'context.resource like'],
    ['in has', inPermit('context has resource'), 45, 'no such condition'],
    [
      'in a name of a param',
      inPermit('context.params.hasTag(context.resource)'),
      67,
      'context.resource like',
    ],
    ['within the whole context', inPermit('context == context'), 45, 'one attribute'],
    [
      'within a record of the context',
      inPermit('{c: context}.c.resource == "a"'),
      49,
      'one attribute',
    ],
    [
      'within a choice of the context',
      inPermit('(if true then context else context).resource == "a"'),
      59,
      'one attribute',
    ],
  ])('rejects it %s', (_, cedar, column, advice) => {
    const [fault] = checkText(cedar).faults.filter(({ got }) => /`context|a pattern/.test(got));
    expect(fault).toMatchObject({ source: 'TaskPolicy any', path: `line 1, column ${column}` });
    expect(fault?.expected).toContain(advice);
  });
});
