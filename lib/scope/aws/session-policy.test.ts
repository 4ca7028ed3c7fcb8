import { describe, expect, it } from '@jest/globals';
import fc from '../../../test/kit/fast-check.ts';
import type { SourceRestriction } from '../../contract/platform.ts';
import type { Task, TaskStatement } from '../../contract/task.ts';
import { bindParams } from '../../task/params.ts';
import { buildSessionPolicy, type SessionPolicyOptions } from './session-policy.ts';

const task: Task = {
  name: 'report',
  provider: 'aws',
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  allow: [
    { actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/{customer}/*'] },
    { actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:eu-west-1:111122223333:jobs'] },
  ],
  params: { customer: { pattern: '.*', maxLength: 40 } },
  lifetimeSeconds: 600,
  delivery: 'vend',
  containers: ['agent'],
  default: false,
  exclusive: false,
};
const scope: SessionPolicyOptions = {
  task,
  params: { customer: 'acme' },
  deadline: Date.parse('2026-01-02T03:04:05.999Z'),
  cloud: { dialect: 'aws', sourceRestriction: { mode: 'none' } },
  podIps: ['10.20.0.7'],
};
const buildRestrictedPolicy = (
  sourceRestriction: SourceRestriction,
  dialect: 'aws' | 's3',
  podIps = scope.podIps,
): string => buildSessionPolicy({ ...scope, cloud: { dialect, sourceRestriction }, podIps });

const ALLOWED =
  '{"Effect":"Allow","Action":["s3:GetObject"],"Resource":["arn:aws:s3:::acme-data/reports/acme/*"]},' +
  '{"Effect":"Allow","Action":["sqs:SendMessage"],"Resource":["arn:aws:sqs:eu-west-1:111122223333:jobs"]}';
const DEADLINE =
  '{"Effect":"Deny","Action":"*","Resource":"*","Condition":{"DateGreaterThanEquals":{"aws:CurrentTime":"2026-01-02T03:04:05Z"}}}';
/** In dialect `s3`. */
const NO_VERSIONS =
  '{"Effect":"Deny","Action":["s3:GetObject"],"Resource":"*","Condition":{"StringLike":{"s3:versionid":"?*"}}}';
const buildPolicyText = (...statements: readonly string[]): string =>
  `{"Version":"2012-10-17","Statement":[${statements.join(',')}]}`;
const buildDenyText = (condition: string, actions = '"*"'): string =>
  `{"Effect":"Deny","Action":${actions},"Resource":"*","Condition":${condition}}`;

describe('buildSessionPolicy', () => {
  it('allows what the task declares and denies everything from the deadline on', () => {
    expect(buildSessionPolicy(scope)).toBe(buildPolicyText(ALLOWED, DEADLINE));
  });

  it.each<[string, SourceRestriction, string]>([
    [
      'the pod on AWS, seen directly or through an endpoint in its VPC',
      { mode: 'podIP' },
      '{"NotIpAddress":{"aws:SourceIp":["10.20.0.7/32"],"aws:VpcSourceIp":["10.20.0.7/32"]},"BoolIfExists":{"aws:ViaAWSService":"false"}}',
    ],
    [
      'address blocks on AWS',
      { mode: 'cidrs', cidrs: ['192.0.2.0/24', '198.51.100.1/32'] },
      '{"NotIpAddress":{"aws:SourceIp":["192.0.2.0/24","198.51.100.1/32"]},"BoolIfExists":{"aws:ViaAWSService":"false"}}',
    ],
    [
      'a VPC on AWS',
      { mode: 'vpc', vpcId: 'vpc-0a1b2c3d' },
      '{"StringNotEquals":{"aws:SourceVpc":"vpc-0a1b2c3d"},"BoolIfExists":{"aws:ViaAWSService":"false"}}',
    ],
  ])('denies every source but %s', (_what, sourceRestriction, condition) => {
    expect(buildRestrictedPolicy(sourceRestriction, 'aws')).toBe(
      buildPolicyText(ALLOWED, DEADLINE, buildDenyText(condition)),
    );
  });

  it('denies every source but the pod with the condition keys of a private cloud', () => {
    const condition = '{"NotIpAddress":{"aws:SourceIp":["10.20.0.7/32"]}}';
    const services = '["s3:*","sqs:*"]';
    expect(buildRestrictedPolicy({ mode: 'podIP' }, 's3')).toBe(
      buildPolicyText(
        ALLOWED,
        NO_VERSIONS,
        DEADLINE.replace('"*"', services),
        buildDenyText(condition, services),
      ),
    );
  });

  it.each<SourceRestriction>([
    { mode: 'podIP' },
    { mode: 'cidrs', cidrs: ['192.0.2.0/24'] },
    { mode: 'vpc', vpcId: 'vpc-0a1b2c3d' },
  ])('uses nothing that MinIO rejects in dialect s3: $mode', (sourceRestriction) => {
    const policy = buildRestrictedPolicy(sourceRestriction, 's3');
    expect(policy).not.toContain('IfExists');
    expect(policy).not.toContain('"*"]');
    expect(policy).not.toContain('"Action":"*"');
  });

  const REPORTS = 'arn:aws:s3:::acme-data/reports/*';
  const ARCHIVE = 'arn:aws:s3:::acme-data/archive/*';
  it.each<[string, readonly TaskStatement[], readonly object[]]>([
    [
      'for every action that MinIO checks for versions too',
      [{ actions: ['s3:GetObject', 's3:GetObjectTagging', 's3:ListBucket'], resources: [REPORTS] }],
      [{ Action: ['s3:GetObject', 's3:GetObjectTagging'], Resource: '*' }],
    ],
    [
      'but not where the task has an action on versions',
      [
        { actions: ['s3:GetObject'], resources: [ARCHIVE] },
        { actions: ['s3:GetObject', 's3:GetObjectVersion'], resources: [REPORTS] },
      ],
      [{ Action: ['s3:GetObject'], NotResource: [REPORTS] }],
    ],
    [
      'in one statement for each set of resources',
      [
        { actions: ['s3:GetObject', 's3:PutObjectTagging'], resources: [ARCHIVE] },
        { actions: ['s3:GetObjectVersion'], resources: [REPORTS] },
      ],
      [
        { Action: ['s3:GetObject'], NotResource: [REPORTS] },
        { Action: ['s3:PutObjectTagging'], Resource: '*' },
      ],
    ],
    [
      'nothing if the task may use every version',
      [{ actions: ['s3:GetObject', 's3:GetObjectVersion'], resources: [REPORTS] }],
      [],
    ],
    ['nothing for other actions', [{ actions: ['s3:PutObject'], resources: [REPORTS] }], []],
  ])('denies requests for versions in dialect s3 %s', (_what, allow, expected) => {
    const listVersionDenials = (dialect: 'aws' | 's3'): readonly object[] => {
      const cloud = { dialect, sourceRestriction: { mode: 'none' } } as const;
      const policy = buildSessionPolicy({ ...scope, task: { ...task, allow }, cloud });
      const { Statement: statements } = JSON.parse(policy) as {
        readonly Statement: readonly object[];
      };
      return statements.filter((each) => JSON.stringify(each).includes('versionid'));
    };
    const Condition = { StringLike: { 's3:versionid': '?*' } };
    expect(listVersionDenials('s3')).toEqual(
      expected.map((each) => ({ Effect: 'Deny', ...each, Condition })),
    );
    expect(listVersionDenials('aws')).toEqual([]);
  });

  it('restricts an IPv6 pod to its one address', () => {
    expect(buildRestrictedPolicy({ mode: 'podIP' }, 's3', ['fd00::7'])).toContain('"fd00::7/128"');
  });

  it('accepts both addresses of a dual-stack pod, and no other', () => {
    const both = '["10.20.0.7/32","fd00::7/128"]';
    const ips = ['10.20.0.7', 'fd00::7'];
    expect(buildRestrictedPolicy({ mode: 'podIP' }, 's3', ips)).toContain(`"aws:SourceIp":${both}`);
    expect(buildRestrictedPolicy({ mode: 'podIP' }, 'aws', ips)).toContain(
      `"aws:SourceIp":${both},"aws:VpcSourceIp":${both}`,
    );
  });

  it.each<[string, readonly string[], readonly string[]]>([
    ['each service once', ['sqs:SendMessage', 's3:GetObject', 's3:PutObject'], ['s3:*', 'sqs:*']],
    ['also S3, whose bucket policies may allow more', ['sqs:SendMessage'], ['s3:*', 'sqs:*']],
  ])('denies in dialect s3 %s', (_what, actions, expected) => {
    const allow = [{ actions, resources: ['arn:aws:s3:::a/*'] }];
    const cloud = { dialect: 's3', sourceRestriction: { mode: 'none' } } as const;
    const policy = buildSessionPolicy({ ...scope, cloud, task: { ...task, allow } });
    expect((JSON.parse(policy) as Policy).Statement.at(-1)?.Action).toEqual(expected);
  });

  it('denies in dialect aws every action, because resource policies may allow other services', () => {
    const { Statement } = JSON.parse(buildRestrictedPolicy({ mode: 'podIP' }, 'aws')) as Policy;
    const denials = Statement.filter(({ Effect }) => Effect === 'Deny');
    expect(denials.map(({ Action }) => Action)).toEqual(['*', '*']);
  });
});

type Policy = { readonly Statement: readonly Statement[] };
type Statement = {
  readonly Effect: 'Allow' | 'Deny';
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
};

/** IAM's wildcards, written apart from the code under test: one table, row by row. */
const matchesPattern = (pattern: string, text: string): boolean => {
  let row = [true, ...Array<boolean>(text.length).fill(false)];
  for (const character of pattern) {
    const next = [character === '*' && row[0] === true];
    for (let at = 1; at <= text.length; at += 1) {
      const one = character === '?' || character === text[at - 1];
      const any = row[at] === true || next[at - 1] === true;
      next.push(character === '*' ? any : one && row[at - 1] === true);
    }
    row = next;
  }
  return row[text.length] === true;
};

const isAllowed = (policy: string, action: string, resource: string): boolean =>
  (JSON.parse(policy) as Policy).Statement.some(
    ({ Effect, Action, Resource }) =>
      Effect === 'Allow' &&
      [Action].flat().some((each) => matchesPattern(each, action)) &&
      [Resource].flat().some((each) => matchesPattern(each, resource)),
  );

const piece = fc.constantFrom('a', 'b', '/', '*', '?', '{p}', '{q}');
const part = fc.array(piece, { minLength: 1, maxLength: 6 }).map((pieces) => pieces.join(''));
const statement: fc.Arbitrary<TaskStatement> = fc.record({
  actions: fc.subarray(['s3:GetObject', 's3:GetObjectAcl', 's3:PutObject'], { minLength: 1 }),
  resources: fc.array(
    part.map((text) => `arn:aws:s3:::${text}`),
    { minLength: 1, maxLength: 3 },
  ),
});
const declared = fc.array(statement, { minLength: 1, maxLength: 3 });
const value = fc.string({
  minLength: 1,
  maxLength: 5,
  unit: fc.constantFrom('a', 'b', '/', 'p', 'a', 'b', '/', 'p', '*', '{', '$'),
});
const target = fc
  .string({ maxLength: 8, unit: fc.constantFrom('a', 'b', '/', 'p') })
  .map((text) => `arn:aws:s3:::${text}`);
const action = fc.constantFrom(
  's3:GetObject',
  's3:PutObject',
  's3:GetObjectAcl',
  's3:DeleteObject',
);

const params = { p: { pattern: '.*', maxLength: 5 }, q: { pattern: '.*', maxLength: 5 } };
const compilePolicy = (allow: readonly TaskStatement[], values: Record<string, string>): string =>
  buildSessionPolicy({ ...scope, task: { ...task, allow, params }, params: values });
const WIDEST = { p: '*', q: '*' };

describe('buildSessionPolicy, by an independent evaluation', () => {
  it('allows nothing that the declaration does not cover', () => {
    fc.assert(
      fc.property(declared, value, value, action, target, (allow, p, q, name, resource) => {
        const given = bindParams({ params, allow: [] }, { p, q });
        if (!given.ok) return;
        const narrowed = isAllowed(compilePolicy(allow, given.value), name, resource);
        expect(!narrowed || isAllowed(compilePolicy(allow, WIDEST), name, resource)).toBe(true);
      }),
      { numRuns: 400 },
    );
  });

  it('allows nothing that only another value of a param covers', () => {
    const allow = [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme/{p}/*'] }];
    const word = fc.stringMatching(/^[a-z]{1,5}$/);
    fc.assert(
      fc.property(word, word, (mine, theirs) => {
        const policy = compilePolicy(allow, { p: mine, q: 'x' });
        const reached = isAllowed(policy, 's3:GetObject', `arn:aws:s3:::acme/${theirs}/x`);
        expect(reached).toBe(mine === theirs);
      }),
    );
  });

  it('allows for two statements no more than the union of both', () => {
    fc.assert(
      fc.property(declared, declared, action, target, (one, other, name, resource) => {
        const [left, right] = [compilePolicy(one, WIDEST), compilePolicy(other, WIDEST)];
        const either = isAllowed(left, name, resource) || isAllowed(right, name, resource);
        expect(isAllowed(compilePolicy([...one, ...other], WIDEST), name, resource)).toBe(either);
      }),
      { numRuns: 1000 },
    );
  });

  it('leaves no placeholder and is JSON for any values', () => {
    fc.assert(
      fc.property(declared, value, value, (allow, p, q) => {
        const given = bindParams({ params, allow: [] }, { p, q });
        if (!given.ok) return;
        const { Statement } = JSON.parse(compilePolicy(allow, given.value)) as Policy;
        const resources = Statement.flatMap(({ Resource }) => [Resource].flat());
        expect(resources.join('')).not.toMatch(/[{}]/);
      }),
    );
  });
});
