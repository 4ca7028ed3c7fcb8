import { beforeAll, describe, expect, it } from '@jest/globals';
import fc from '../../test/kit/fast-check.ts';
import { createCatalogLoader } from '../catalog/catalog.ts';
import type { CloudSettings } from '../contract/platform.ts';
import type { Task } from '../contract/task.ts';
import { expandPairs } from '../task/pairs.ts';
import { listReachedPairs } from '../task/reached-pairs.ts';
import { readTasks } from '../task/tasks.ts';
import { compilePolicies } from './compiled-policies.ts';
import { buildRunRequest } from './fixtures/policy-requests.ts';
import { evaluateRunPolicy } from './run-decision.ts';
import { buildSessionPolicy } from '../scope/aws/session-policy.ts';

type Dialect = CloudSettings['dialect'];

const ACCOUNT = '111122223333';
const loadCatalog = createCatalogLoader();

/** Every action that a request can need, also those of later catalogs and of MinIO alone. */
let requestable: readonly string[];

beforeAll(async () => {
  const found = (await loadCatalog(['s3'])).find('s3:*');
  const known = found.known ? found.actions.map(({ name }) => name) : [];
  requestable = [...known, 's3:ForceDeleteBucket', 's3:GetNothingYet', 's3:ReplicateDelete'];
});

const action = fc.constantFrom(
  ...['s3:GetObject', 's3:GetObjectVersion', 's3:PutObject', 's3:ListBucket', 's3:DeleteBucket'],
  's3:DeleteObject',
  ...['s3:Put*ol*', 's3:Get*', 's3:*Bucket', 's3:Delete*', 's3:*Tagging', 's3:List*'],
);
const resource = fc
  .constantFrom('a', 'a/*', 'a*', 'a/r/*', 'b', 'b/*', 'b?', 'b/{p}/*', 'a/{p}', '*/*', 'a/?', 'ab')
  .map((text) => `arn:aws:s3:::${text}`);
const declaredStatement = fc.record({
  actions: fc.uniqueArray(action, { minLength: 1, maxLength: 3 }),
  resources: fc.uniqueArray(resource, { minLength: 1, maxLength: 3 }),
});
const declaredAllow = fc.array(declaredStatement, { minLength: 1, maxLength: 2 });

const readTask = async (allow: unknown, dialect: Dialect): Promise<Task | undefined> => {
  const value = {
    role: `arn:aws:iam::${dialect === 'aws' ? ACCOUNT : ''}:role/agent-reports`,
    allow,
    lifetime: '5m',
    ...(JSON.stringify(allow).includes('{p}') && { params: { p: '[a-z]+' } }),
  };
  const result = await readTasks({
    annotations: { 'task.valetkey.dev/t': JSON.stringify(value) },
    consumers: { containers: ['agent'], addressable: [] },
    limits: {
      ...{ minLifetimeSeconds: 60, maxLifetimeSeconds: 3600, delivery: 'vend' },
      ...{
        accountIds: dialect === 'aws' ? [ACCOUNT] : [],
        partitions: [],
        mintingActions: {},
      },
      ...{ wildcardOnlyActions: false, regionWildcards: false, accountWildcards: false },
    },
    cloud: { dialect },
    loadCatalog,
  });
  // A declaration that is rejected, or that more pairs make too large, has no session policy.
  return result.ok ? result.value[0] : undefined;
};

const FORBIDS = [
  'forbid (principal, action, resource) when { context.action == "s3:DeleteBucket" } unless { context.resource like "arn:aws:s3:::a*" };',
  'forbid (principal, action, resource) when { context.accessLevels.contains("Permissions management") };',
  'forbid (principal, action, resource) when { context.action == "s3:DeleteObjectVersion" };',
  'forbid (principal, action, resource) when { context.action == "s3:ListBucketVersions" };',
  'forbid (principal, action, resource) when { context.action like "s3:*Bucket*" } unless { context.resource like "arn:aws:s3:::b*" };',
  'forbid (principal, action, resource) when { context.accessLevels.contains("Write") } unless { context.resource like "*/*" };',
] as const;
const PERMITS = [
  'permit (principal, action, resource);',
  'permit (principal, action, resource) when { context.resource like "arn:aws:s3:::a*" };',
  'permit (principal, action, resource) when { ["Read", "List"].containsAll(context.accessLevels) };',
] as const;
const policySet = fc.record({
  permits: fc.subarray([...PERMITS], { minLength: 1 }),
  forbids: fc.subarray([...FORBIDS]),
});

const PARAMS = { p: 'q' };

const buildPolicyStatements = (task: Task, dialect: Dialect): readonly Statement[] => {
  const cloud = { dialect, sourceRestriction: { mode: 'none' } } as const;
  const scope = { task, params: PARAMS, deadline: 0, cloud, podIps: ['10.0.0.1'] };
  return (JSON.parse(buildSessionPolicy(scope)) as { readonly Statement: readonly Statement[] })
    .Statement;
};

/** Wildcards of IAM, written apart from the code under test. */
const matches = (pattern: string, text: string): boolean => {
  const escaped = pattern.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, 's').test(text);
};

type Statement = {
  readonly Effect: string;
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
};

/** The names by which the cloud matches a request: MinIO appends a slash to a bucket. */
const listRequestNames = (target: string, dialect: Dialect): readonly string[] => {
  const name = `arn:aws:s3:::${target}`;
  return dialect === 's3' && !target.includes('/') ? [name, `${name}/`] : [name];
};

/** Pairs of an action in a policy and another action that MinIO then allows too. */
const MINIO_ALLOWS = [
  's3:GetObjectVersion s3:GetObject',
  's3:ListBucket s3:ListBucketVersions',
  's3:DeleteObject s3:DeleteObjectVersion',
  's3:PutBucketPolicy s3:PutBucketAcl',
];

const matchesAction = (pattern: string, name: string, dialect: Dialect): boolean =>
  matches(pattern, name) || (dialect === 's3' && MINIO_ALLOWS.includes(`${pattern} ${name}`));

/** MinIO deletes what is below a key together with it. */
const matchesResource = (
  pattern: string,
  { name, target, dialect }: { name: string; target: string; dialect: Dialect },
): boolean => {
  const patterns =
    dialect === 's3' && ['s3:DeleteObject', 's3:DeleteObjectVersion'].includes(name)
      ? [pattern, `${pattern}/*`]
      : [pattern];
  return patterns.some((each) =>
    listRequestNames(target, dialect).some((text) => matches(each, text)),
  );
};

const isAllowed = (
  statements: readonly Statement[],
  request: { name: string; target: string; dialect: Dialect },
): boolean =>
  statements.some(
    ({ Effect, Action, Resource }) =>
      Effect === 'Allow' &&
      [Action].flat().some((each) => matchesAction(each, request.name, request.dialect)) &&
      [Resource].flat().some((each) => matchesResource(each, request)),
  );

const TARGETS = ['a', 'ab', 'abc', 'b', 'bb', 'c', 'a/x', 'a/r/x', 'b/q/x', 'b/z/x', 'ab/x', 'c/x'];

/** Requests that the policy allows: action and target. */
const listAllowedRequests = (statements: readonly Statement[], dialect: Dialect) =>
  requestable.flatMap((name) =>
    TARGETS.filter((target) => isAllowed(statements, { name, target, dialect })).map(
      (target) => ({ name, target }) as const,
    ),
  );

describe.each<Dialect>(['aws', 's3'])('the session policy of dialect %s', (dialect) => {
  it('allows only requests that a pair covers which Cedar evaluated and permitted', async () => {
    let sessions = 0;
    await fc.assert(
      fc.asyncProperty(declaredAllow, policySet, async (allow, { permits, forbids }) => {
        const task = await readTask(allow, dialect);
        if (task === undefined) return;
        const cedar = [...permits, ...forbids].join('\n');
        const deps = { policies: compilePolicies([{ name: 'any', cedar }]), loadCatalog };
        const evaluate = async (each: Task) =>
          (await evaluateRunPolicy(deps, buildRunRequest({ task: each, params: PARAMS, dialect })))
            .outcome;
        if ((await evaluate(task)) !== 'allow') return;
        sessions += 1;
        const permitted = new Set<string>();
        const pairs = await expandPairs(task, loadCatalog);
        const own = pairs.ok ? pairs.value : [];
        const reached = dialect === 's3' ? listReachedPairs(own, await loadCatalog(['s3'])) : [];
        for (const { action: one, resource: pattern } of [...own, ...reached]) {
          const alone = { ...task, allow: [{ actions: [one.name], resources: [pattern] }] };
          if ((await evaluate(alone)) === 'allow') permitted.add(`${one.name} ${pattern}`);
        }
        const uncovered = listAllowedRequests(buildPolicyStatements(task, dialect), dialect).filter(
          ({ name, target }) =>
            ![...permitted].some((pair) => {
              const [evaluated, pattern = ''] = pair.split(' ');
              return (
                evaluated === name &&
                listRequestNames(target, dialect).some((text) =>
                  matches(pattern.replace('{p}', PARAMS.p), text),
                )
              );
            }),
        );
        expect(uncovered).toEqual([]);
      }),
      { numRuns: 300 },
    );
    expect(sessions).toBeGreaterThan(20);
  }, 120_000);

  it('contains the evaluated pairs and nothing else, without wildcards in actions', async () => {
    await fc.assert(
      fc.asyncProperty(declaredAllow, async (allow) => {
        const task = await readTask(allow, dialect);
        if (task === undefined) return;
        const pairs = await expandPairs(task, loadCatalog);
        const evaluated = pairs.ok
          ? pairs.value.map((pair) => `${pair.action.name} ${pair.resource.replace('{p}', 'q')}`)
          : [];
        const granted = buildPolicyStatements(task, dialect)
          .filter(({ Effect }) => Effect === 'Allow')
          .flatMap(({ Action, Resource }) =>
            [Action].flat().flatMap((name) => [Resource].flat().map((each) => `${name} ${each}`)),
          );
        expect(new Set(granted)).toEqual(new Set(evaluated));
        expect(granted.filter((pair) => pair.split(' ')[0]?.includes('*'))).toEqual([]);
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  it('is that of a task that reads as itself again', async () => {
    await fc.assert(
      fc.asyncProperty(declaredAllow, async (allow) => {
        const task = await readTask(allow, dialect);
        if (task === undefined) return;
        expect((await readTask(task.allow, dialect))?.allow).toEqual(task.allow);
      }),
      { numRuns: 200 },
    );
  }, 60_000);
});

describe('a run in dialect s3', () => {
  const FORBID_DELETE = `permit (principal, action, resource);
forbid (principal, action, resource) when { context.action == "s3:DeleteBucket" }
unless { context.resource like "arn:aws:s3:::scratch-*" };`;
  const decide = async (...resources: readonly string[]) => {
    const allow = [{ actions: ['s3:GetObject', 's3:DeleteBucket'], resources }];
    const task = await readTask(allow, 's3');
    if (task === undefined) throw new Error('expected a declaration that is accepted');
    const policies = compilePolicies([{ name: 'any', cedar: FORBID_DELETE }]);
    const request = buildRunRequest({ task, params: PARAMS, dialect: 's3' });
    return evaluateRunPolicy({ policies, loadCatalog }, request);
  };

  it('is denied if a pattern of objects would reach a bucket that must not be deleted', async () => {
    expect(await decide('arn:aws:s3:::acme-data/*', 'arn:aws:s3:::scratch-1')).toMatchObject({
      outcome: 'deny',
      reasons: [expect.stringMatching(/^s3:DeleteBucket on arn:aws:s3:::acme-data\/\*: forbidden/)],
    });
  });

  it('is permitted if the patterns reach only buckets that may be deleted', async () => {
    const decision = await decide('arn:aws:s3:::scratch-1/*', 'arn:aws:s3:::scratch-1');
    expect(decision).toMatchObject({ outcome: 'allow' });
  });
});
