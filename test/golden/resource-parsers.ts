import { readPolicy } from '../fakes/cloud/iam/policy-document.ts';
import { matchesWildcards } from '../fakes/cloud/iam/iam-wildcards.ts';
import { matchArn, parseArnPattern } from '../../lib/schema/arn.ts';
import { matchResource, type Catalog } from '../../lib/catalog/catalog.ts';
import { patternsOverlap } from '../../lib/schema/wildcard-patterns.ts';
import type { TaskLimits } from '../../lib/contract/platform.ts';
import { platform } from '../../lib/injection/fixtures/sample-platform.ts';
import { read } from '../../lib/schema/reader.ts';
import { groupPairs, planStatement } from '../../lib/task/statement-plan.ts';
import {
  bindResource,
  readPlaceholders,
  resourcePattern,
  createResourceReader,
  widenPlaceholders,
} from '../../lib/task/resource.ts';
import { loadCatalog } from '../kit/in-process-admission.ts';
import { attempt } from './role-parsers.ts';

const TYPES = {
  bucket: 'arn:${Partition}:s3:::${BucketName}',
  object: 'arn:${Partition}:s3:::${BucketName}/${ObjectName}',
  queue: 'arn:${Partition}:sqs:${Region}:${Account}:${QueueName}',
  table: 'arn:${Partition}:dynamodb:${Region}:${Account}:table/${TableName}',
  role: 'arn:${Partition}:iam::${Account}:role/${RoleNameWithPath}',
} as const;
const PATTERNS = Object.entries(TYPES).map(
  ([name, text]) => [name, parseArnPattern(text)] as const,
);

const ACTIONS = [
  ...['s3:GetObject', 's3:ListBucket', 's3:ListAllMyBuckets', 'sqs:SendMessage'],
  ...['dynamodb:GetItem', 'lambda:InvokeFunction', 'iam:GetRole'],
];

const KEY = 'arn:aws:s3:::acme-data/reports/q1.csv';

const isResource = (text: string, limits: Partial<TaskLimits>): boolean =>
  read(
    createResourceReader({
      limits: { ...platform.tasks, ...limits },
      params: new Set(['customer']),
    }),
    text,
  ).ok;

const pairedWith = (text: string, catalog: Catalog): readonly string[] =>
  groupPairs(
    planStatement(
      { actions: ACTIONS, resources: [text] },
      { catalog, dialect: 'aws', delivery: 'vend' },
    ),
  ).flatMap(({ actions }) => actions);

const metBy = (text: string, catalogue: Catalog): readonly string[] => {
  const meets = matchResource(text);
  return ACTIONS.filter((name) => {
    const found = catalogue.find(name);
    return found.known && found.actions.some(meets);
  });
};

const captureSessionPolicy = (text: string): string =>
  JSON.stringify({
    Statement: [{ Effect: 'Allow', Action: 's3:GetObject', Resource: text }],
    Version: '2012-10-17',
  });

const loadActions = (): Promise<Catalog> => loadCatalog(['s3', 'sqs', 'dynamodb', 'lambda', 'iam']);

/** One string through every reader of resources, side by side. */
export const readResource = async (text: string): Promise<object> => ({
  form: read(resourcePattern, text).ok,
  task: isResource(text, {}),
  taskWildcards: isResource(text, { regionWildcards: true, accountWildcards: true }),
  places: readPlaceholders(text),
  widened: widenPlaceholders(text) === text ? 'same' : widenPlaceholders(text),
  bound:
    attempt(() => bindResource(text, { customer: 'acme' })) === text
      ? 'same'
      : attempt(() => bindResource(text, { customer: 'acme' })),
  parts: parseArnPattern(text).parts,
  slashes: String(parseArnPattern(text).maxSlashes),
  meets: PATTERNS.filter(([, pattern]) => matchArn(text)(pattern)).map(([name]) => name),
  metBy: metBy(text, await loadActions()),
  pairs: pairedWith(text, await loadActions()),
  overlapsKey: [patternsOverlap(text, KEY), matchesWildcards(text, KEY)],
  fakeIam: attempt(() => readPolicy(captureSessionPolicy(text), 'session').statements.length),
});
