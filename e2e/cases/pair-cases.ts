import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import { S3_SHARED_ACTIONS } from '../../lib/catalog/s3-actions.ts';
import type { Task, TaskStatement } from '../../lib/contract/task.ts';
import { buildSessionPolicy } from '../../lib/scope/aws/session-policy.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { readTasks } from '../../lib/task/tasks.ts';
import {
  buildAllow,
  buildDelete,
  buildGet,
  buildPolicy,
  buildPut,
  buildStep,
  dataBucketArn,
  readReports,
} from './case-builders.ts';
import {
  buildRequestCase,
  buildSessionCase,
  type CaseStart,
  type CloudCase,
  type CloudDifference,
} from './cloud-case.ts';
import type { S3CaseRequest } from './s3-request.ts';
import type { SessionRequest } from './sts-request.ts';

/** Reads a declaration as admission does. */
const readTask = async (allow: readonly TaskStatement[]): Promise<Task> => {
  const value = { role: 'arn:aws:iam:::role/agent-reports', allow, lifetime: '15m' };
  const result = await readTasks({
    annotations: { 'task.valetkey.dev/pairs': JSON.stringify(value) },
    consumers: { containers: ['agent'], addressable: [] },
    limits: {
      ...{ minLifetimeSeconds: 60, maxLifetimeSeconds: 3600, delivery: 'vend' },
      ...{ accountIds: [], partitions: [], mintingActions: {} },
      ...{ wildcardOnlyActions: false, regionWildcards: false, accountWildcards: false },
    },
    cloud: { dialect: 's3' },
    loadCatalog: createCatalogLoader(),
  });
  const [task] = result.ok ? result.value : [];
  if (task === undefined) {
    const faults = result.ok ? [] : result.faults.map(formatFieldError);
    throw new Error(`the declaration of a case: ${faults.join('; ')}`);
  }
  return task;
};

/** The session policy of a declaration. */
const compile = async (
  ...allow: readonly TaskStatement[]
): Promise<(moment: CaseStart) => SessionRequest> => {
  const task = await readTask(allow);
  return ({ now, sourceIp }) => ({
    policy: buildSessionPolicy({
      ...{ task, params: {}, deadline: now + 900_000, podIps: [sourceIp] },
      cloud: { dialect: 's3', sourceRestriction: { mode: 'podIP' } },
    }),
  });
};

const otherBucketArn = 'arn:aws:s3:::acme-other';

/** Allows nothing to anyone, so that storing it changes no other case. */
const harmlessPolicy = JSON.stringify({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { AWS: ['*'] },
      Action: ['s3:GetObject'],
      Resource: [`${otherBucketArn}/no-such-prefix/*`],
    },
  ],
});
const putBucketPolicy: S3CaseRequest = {
  method: 'PUT',
  bucket: 'acme-other',
  query: { policy: '' },
  body: harmlessPolicy,
};
const deleteBucket: S3CaseRequest = { method: 'DELETE', bucket: 'acme-other' };

/** The only version of an object in a bucket without versioning. */
const getVersion = (key: string): S3CaseRequest => ({
  ...buildGet(key),
  query: { versionId: 'null' },
});

const EMBEDDED = 'it has only part of S3, and no requests to buckets but lists';
const notUnderstood = (...outcomes: CloudDifference['outcomes']): CloudDifference => ({
  reason: EMBEDDED,
  outcomes,
});

/** Cases about which pairs of an action and a resource a session gets. */
export const PAIR_CASES: readonly CloudCase[] = [
  buildRequestCase(
    'a short form in a session policy for objects reaches requests to their bucket on MinIO',
    buildPolicy(buildAllow('s3:Put*ol*', `${otherBucketArn}/*`)),
    [buildStep(putBucketPolicy, 'denied')],
    {
      minio: {
        reason: 'it evaluates a request to a bucket as bucket/, which matches bucket/*',
        outcomes: ['done', 'done'],
      },
      embedded: notUnderstood('done', 'not understood'),
    },
  ),
  buildRequestCase(
    'a declared short form for objects gives no right to change the policy of their bucket',
    await compile({ actions: ['s3:Put*ol*'], resources: [`${otherBucketArn}/*`] }),
    [buildStep(putBucketPolicy, 'denied')],
    { embedded: notUnderstood('done', 'not understood') },
  ),
  buildRequestCase(
    'a declared short form for objects gives no right to delete their bucket',
    await compile({ actions: ['s3:Delete*'], resources: [`${otherBucketArn}/*`] }),
    [buildStep(deleteBucket, 'denied')],
    { embedded: notUnderstood('done', 'not understood') },
  ),
  buildRequestCase(
    'a declaration with several statements gives each action only its own resources',
    await compile(
      { actions: ['s3:GetObject'], resources: [`${dataBucketArn}/reports/*`] },
      { actions: ['s3:PutObject', 's3:DeleteObject'], resources: [`${dataBucketArn}/pairs/*`] },
    ),
    [
      buildStep(buildGet(), 'done'),
      buildStep(buildPut('reports/pairs.csv'), 'denied'),
      buildStep(buildPut('pairs/one.csv'), 'done'),
      buildStep(buildGet('pairs/one.csv'), 'denied'),
      buildStep(buildDelete('pairs/one.csv'), 'done'),
    ],
  ),
  buildRequestCase(
    'reading versions includes reading objects on MinIO, so a declaration of one names both',
    buildPolicy(buildAllow('s3:GetObjectVersion', `${dataBucketArn}/reports/*`)),
    [buildStep(buildGet(), 'denied')],
    {
      minio: {
        reason: 'its policy engine lets s3:GetObjectVersion include s3:GetObject',
        outcomes: ['done', 'done'],
      },
    },
  ),
  buildRequestCase(
    'deletion of a key removes what is below it on MinIO, so policy evaluates that too',
    buildPolicy(
      buildAllow('s3:PutObject', `${dataBucketArn}/below/one.csv`),
      buildAllow('s3:GetObject', `${dataBucketArn}/below/one.csv`),
      buildAllow('s3:DeleteObject', `${dataBucketArn}/below`),
    ),
    [
      buildStep(buildPut('below/one.csv'), 'done'),
      buildStep(buildDelete('below/one.csv'), 'denied'),
      buildStep({ ...buildDelete('below'), headers: { 'x-minio-force-delete': 'true' } }, 'done'),
      buildStep(buildGet('below/one.csv'), 'done'),
    ],
    {
      minio: {
        reason: 'with this header it deletes the whole folder, and checks only its key',
        outcomes: ['done', 'done', 'denied', 'done', 'absent'],
      },
    },
  ),
  buildRequestCase(
    'listing objects includes listing versions on MinIO, so policy evaluates that too',
    buildPolicy(buildAllow('s3:ListBucket', dataBucketArn)),
    [buildStep({ method: 'GET', bucket: 'acme-data', query: { versions: '' } }, 'denied')],
    {
      minio: { reason: 's3:ListBucket suffices to list versions', outcomes: ['done', 'done'] },
      embedded: notUnderstood('done', 'not understood'),
    },
  ),
  buildRequestCase(
    'a right to read objects reads their versions on MinIO',
    buildPolicy(readReports),
    [buildStep(getVersion('reports/q3.csv'), 'denied')],
    { minio: { reason: 'it checks s3:GetObject for any version', outcomes: ['done', 'done'] } },
  ),
  buildRequestCase(
    'a declaration of reading objects gives no right to read their versions',
    await compile({ actions: ['s3:GetObject'], resources: [`${dataBucketArn}/reports/*`] }),
    [buildStep(buildGet(), 'done'), buildStep(getVersion('reports/q3.csv'), 'denied')],
  ),
  buildRequestCase(
    'a declaration of reading versions gives that right for its own resources alone',
    await compile(
      { actions: ['s3:GetObject'], resources: [`${dataBucketArn}/secrets/*`] },
      { actions: ['s3:GetObjectVersion'], resources: [`${dataBucketArn}/reports/*`] },
    ),
    [
      buildStep(buildGet(), 'done'),
      buildStep(getVersion('reports/q3.csv'), 'done'),
      buildStep(buildGet('secrets/keys.txt'), 'done'),
      buildStep(getVersion('secrets/keys.txt'), 'denied'),
    ],
  ),
  buildSessionCase(
    'a session policy with every action that a short form covers in dialect s3 is accepted',
    {
      policy: {
        Version: '2012-10-17',
        Statement: [
          { Effect: 'Allow', Action: [...S3_SHARED_ACTIONS], Resource: [`${dataBucketArn}/*`] },
        ],
      },
    },
    'done',
  ),
  buildSessionCase(
    'a Deny of the action * is malformed for MinIO, so dialect s3 denies by service',
    buildPolicy(readReports, {
      Effect: 'Deny',
      Action: ['*'],
      Resource: ['*'],
      Condition: { DateGreaterThanEquals: { 'aws:CurrentTime': '2099-01-01T00:00:00Z' } },
    }),
    'malformed policy',
    { rgw: { reason: 'it accepts the action *', outcomes: ['done'] } },
  ),
];
