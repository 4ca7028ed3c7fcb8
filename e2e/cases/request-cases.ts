import type { Task } from '../../lib/contract/task.ts';
import { buildSessionPolicy } from '../../lib/scope/aws/session-policy.ts';
import { buildRequestCase, type CloudCase, type CaseStart } from './cloud-case.ts';
import { SIGNATURE_CASES } from './signature-cases.ts';
import type { SessionRequest } from './sts-request.ts';
import {
  buildAllow,
  dataBucketArn,
  buildGet,
  headRequest,
  buildList,
  buildPolicy,
  buildPut,
  readReports,
  buildDelete,
  buildStep,
  type Statement,
} from './case-builders.ts';
import { WRITE_CASES } from './write-cases.ts';

/** The Deny statement that enforces a deadline. */
const buildDenyFrom = (time: number): Statement => ({
  Effect: 'Deny',
  Action: ['s3:*'],
  Resource: ['*'],
  Condition: { DateGreaterThanEquals: { 'aws:CurrentTime': formatSeconds(time) } },
});

/** The Deny statement that enforces the source restriction. */
const buildDenyOutside = (...addresses: readonly string[]): Statement => ({
  Effect: 'Deny',
  Action: ['s3:*'],
  Resource: ['*'],
  Condition: { NotIpAddress: { 'aws:SourceIp': addresses } },
});

const formatSeconds = (time: number): string =>
  new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
const soon = 2_000;
/** Times have whole seconds, so the deadline may differ by almost a second. */
const getDeadline = ({ now }: CaseStart): number => now + soon;

const SCOPE_CASES: readonly CloudCase[] = [
  buildRequestCase('without a session policy, the role is the limit', {}, [
    buildStep(buildGet(), 'done'),
    buildStep(buildGet('secrets/keys.txt'), 'done'),
    buildStep(buildGet('reports/q3.csv', 'acme-other'), 'done'),
    buildStep(buildGet('reports/q3.csv', 'acme-closed'), 'denied'),
  ]),
  buildRequestCase('a session policy narrows the role', buildPolicy(readReports), [
    buildStep(buildGet(), 'done'),
    buildStep(headRequest, 'done'),
    buildStep(buildGet('secrets/keys.txt'), 'denied'),
    buildStep(buildGet('reports/q3.csv', 'acme-other'), 'denied'),
    buildStep(buildPut('reports/new.csv'), 'denied'),
    buildStep(buildDelete('reports/q3.csv'), 'denied'),
    buildStep(buildList('reports/'), 'denied'),
  ]),
  buildRequestCase('a session policy cannot widen the role', buildPolicy(buildAllow('s3:*', '*')), [
    buildStep(buildGet(), 'done'),
    buildStep(buildGet('reports/q3.csv', 'acme-closed'), 'denied'),
  ]),
  buildRequestCase(
    'an explicit Deny overrides every Allow',
    buildPolicy(buildAllow('s3:*', dataBucketArn, `${dataBucketArn}/*`), {
      Effect: 'Deny',
      Action: ['s3:GetObject'],
      Resource: [`${dataBucketArn}/secrets/*`],
    }),
    [buildStep(buildGet(), 'done'), buildStep(buildGet('secrets/keys.txt'), 'denied')],
  ),
  buildRequestCase(
    '? matches one character, and * any number',
    buildPolicy(buildAllow('s3:Get*', `${dataBucketArn}/*/q?.csv`)),
    [buildStep(buildGet(), 'done'), buildStep(buildGet('secrets/keys.txt'), 'denied')],
  ),
  buildRequestCase(
    'listing requires permission on the bucket',
    buildPolicy(buildAllow('s3:ListBucket', dataBucketArn)),
    [
      buildStep(buildList(''), 'done'),
      buildStep(buildList('', 'acme-other'), 'denied'),
      buildStep(buildGet(), 'denied'),
    ],
  ),
  buildRequestCase(
    'a missing key is reported to a session that may read it',
    buildPolicy(readReports),
    [
      buildStep(buildGet('reports/none.csv'), 'absent'),
      buildStep(buildGet('secrets/none.txt'), 'denied'),
    ],
    {
      rgw: {
        reason: 'it looks up the key before it evaluates the session policy',
        outcomes: ['done', 'absent', 'absent'],
      },
    },
  ),
];

const TIME_AND_PLACE_CASES: readonly CloudCase[] = [
  buildRequestCase(
    'a deadline in the session policy ends the keys',
    (moment) => buildPolicy(readReports, buildDenyFrom(getDeadline(moment))),
    [buildStep(buildGet(), 'done'), buildStep(buildGet(), 'denied', soon + 100)],
  ),
  buildRequestCase(
    'keys restricted to our address work',
    ({ sourceIp }) => buildPolicy(readReports, buildDenyOutside(sourceIp)),
    [buildStep(buildGet(), 'done')],
  ),
  buildRequestCase(
    'keys restricted to our address block work',
    ({ sourceIp }) => buildPolicy(readReports, buildDenyOutside('192.0.2.0/24', `${sourceIp}/31`)),
    [buildStep(buildGet(), 'done')],
  ),
  buildRequestCase(
    'keys restricted to another address do not work',
    buildPolicy(readReports, buildDenyOutside('192.0.2.7')),
    [buildStep(buildGet(), 'denied')],
  ),
];

const compiledTask: Task = {
  name: 'summarize',
  provider: 'aws',
  role: 'arn:aws:iam:::role/agent-reports',
  allow: [{ actions: ['s3:GetObject'], resources: [`${dataBucketArn}/{folder}/*`] }],
  params: { folder: { pattern: '[a-z]+', maxLength: 40 } },
  lifetimeSeconds: 60,
  delivery: 'vend',
  containers: ['agent'],
  default: true,
  exclusive: false,
};

/** The session policy that the sidecar sends, restricted to our address. */
const buildCompiledPolicy = (moment: CaseStart): SessionRequest => ({
  policy: buildSessionPolicy({
    task: compiledTask,
    params: { folder: 'reports' },
    deadline: getDeadline(moment),
    cloud: { dialect: 's3', sourceRestriction: { mode: 'podIP' } },
    podIps: [moment.sourceIp],
  }),
});

const COMPILED_CASE = buildRequestCase(
  'a scope compiled by the sidecar is enforced',
  buildCompiledPolicy,
  [
    buildStep(buildGet(), 'done'),
    buildStep(buildGet('secrets/keys.txt'), 'denied'),
    buildStep(buildPut('reports/new.csv'), 'denied'),
    buildStep(buildGet(), 'denied', soon + 100),
  ],
);

/** Cases about what the keys of a session allow. */
export const REQUEST_CASES: readonly CloudCase[] = [
  ...SCOPE_CASES,
  ...TIME_AND_PLACE_CASES,
  COMPILED_CASE,
  ...SIGNATURE_CASES,
  ...WRITE_CASES,
];
