import { describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import type { Gate } from '../contract/authority-api.ts';
import type { Task } from '../contract/task.ts';
import { matchesPattern } from '../schema/wildcard-patterns.ts';
import { evaluateCallPolicy } from './call-decision.ts';
import { compilePolicies } from './compiled-policies.ts';
import {
  buildReportTask,
  buildRunRequest,
  loadAnyActionCatalog,
} from './fixtures/policy-requests.ts';
import { computeGates } from './gates.ts';

const ACTIONS = ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'];
const task: Task = buildReportTask({
  delivery: 'sign',
  allow: [{ actions: ACTIONS, resources: ['arn:aws:s3:::{bucket}/*', 'arn:aws:s3:::b?'] }],
  params: { bucket: { pattern: '.*', maxLength: 20 } },
});
const question = buildRunRequest({
  task,
  params: { bucket: 'ab' },
  user: { issuer: 'https://login.acme.example', subject: 'ada' },
});

const text = fc
  .array(fc.constantFrom('ab', 'b', '/', 'x', '?', '*', 'y'), { maxLength: 4 })
  .map((parts) => `arn:aws:s3:::${parts.join('')}`);
const pattern = fc
  .array(fc.constantFrom('ab', 'b', '/', 'x', '?', '\\*', '*'), { maxLength: 4 })
  .map((parts) => (parts[0] === '*' ? parts.join('') : `arn:aws:s3:::${parts.join('')}`));
const atom = fc.oneof(
  pattern.map(
    (value) => `context.resource like ${JSON.stringify(value).replaceAll('\\\\*', '\\*')}`,
  ),
  text.map((value) => `context.resource == ${JSON.stringify(value)}`),
  fc.constantFrom(
    ...['"arn:aws:s3:::ab/x" == context.resource', 'context.action == "s3:PutObject"'],
    ...['context.hour < 7', 'context.approvals.contains("owners")', 'true', 'false'],
    ...['context.operation == "s3:PutObject"', '(context has bytes && context.bytes > 9)'],
    '(context.arguments.hasTag("/Key") && context.arguments.getTag("/Key") == "x")',
    '(context has user && context.user.subject == "ada")',
    '(context.hour + 9223372036854775800 > 0)',
    '(context.params.hasTag("bucket") && context.params.getTag("bucket") == "ab")',
    '["arn:aws:s3:::ab/", "arn:aws:s3:::bx"].contains(context.resource)',
  ),
);
const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    atom,
    fc
      .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
      .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
    tie('condition').map((inner) => `!(${inner})`),
    tie('condition').map((inner) => `(if ${inner} then true else false)`),
  ),
}));
const forbid = fc
  .record({
    scope: fc.constantFrom('action == Action::"call"', 'action in [Action::"call"]'),
    kind: fc.constantFrom('when', 'unless'),
    condition,
  })
  .map((one) => `forbid (principal, ${one.scope}, resource) ${one.kind} { ${one.condition} };`);

const call = fc.record({
  action: fc.constantFrom(...ACTIONS),
  resource: fc.option(text, { nil: undefined }),
  bytes: fc.option(fc.constantFrom(0, 100), { nil: undefined }),
  arguments: fc.option(fc.constantFrom({}, { '/Key': 'x' }), { nil: undefined }),
  hour: fc.integer({ min: 0, max: 23 }),
  approvals: fc.constantFrom([], ['owners']),
});

/** As the gateway applies gates. */
const applyGates = (gates: readonly Gate[], action: string, resource: string | undefined) => {
  const kinds = gates
    .filter(
      ({ actions, like }) =>
        (actions.includes(action) || actions.includes('*')) &&
        (like === undefined ||
          resource === undefined ||
          like.some((each) => matchesPattern(each, resource))),
    )
    .map(({ gate }) => gate);
  return kinds.includes('deny') ? 'deny' : kinds.includes('ask') ? 'ask' : 'allow';
};

const isInTask = (resource: string): boolean =>
  ['arn:aws:s3:::ab/*', 'arn:aws:s3:::b?'].some((each) => matchesPattern(each, resource));

describe('computeGates', () => {
  it('decides as full evaluation does, and asks in any doubt', async () => {
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(
        fc.array(forbid, { minLength: 1, maxLength: 3 }),
        fc.array(call, { minLength: 8, maxLength: 8 }),
        async (forbids, calls) => {
          const policies = compilePolicies([{ name: 'p', cedar: forbids.join('\n') }]);
          fc.pre(policies.blockers.length === 0);
          const gates = await computeGates(
            { policies, loadCatalog: loadAnyActionCatalog },
            question,
          );
          for (const { action, resource, hour, approvals, ...facts } of calls) {
            if (resource !== undefined && !isInTask(resource)) continue;
            const atMs = Date.UTC(2026, 0, 5, hour);
            const full = evaluateCallPolicy(
              policies,
              { ...question, approvals, atMs },
              {
                ...{ operation: action, ...facts },
                pairs: [{ action: { name: action, accessLevels: ['Read'] }, resource }],
              },
            ).outcome;
            const gate = applyGates(gates, action, resource);
            outcomes.add(`${gate} ${full}`);
            // An unresolved resource meets every gate that some resource of the task meets.
            if (resource !== undefined && gate !== 'ask')
              expect([gate, full]).toEqual([full, full]);
          }
        },
      ),
      { numRuns: 300 },
    );
    for (const each of ['deny deny', 'ask deny', 'ask allow', 'allow allow']) {
      expect(outcomes).toContain(each);
    }
  }, 120_000);
});
