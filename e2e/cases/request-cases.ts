import type { Task } from '../../lib/contract/task.ts';
import { sessionPolicy } from '../../lib/scope/aws/session-policy.ts';
import { requestCase, type CloudCase, type Moment } from './cloud-case.ts';
import { SIGNATURE_CASES } from './signature-cases.ts';
import type { SessionWish } from './sts-request.ts';
import {
  allow,
  data,
  get,
  head,
  list,
  policy,
  put,
  readReports,
  remove,
  step,
  type Statement,
} from './wishes.ts';
import { WRITE_CASES } from './write-cases.ts';

/** The Deny by which a session policy holds a deadline. */
const denyFrom = (time: number): Statement => ({
  Effect: 'Deny',
  Action: ['s3:*'],
  Resource: ['*'],
  Condition: { DateGreaterThanEquals: { 'aws:CurrentTime': isoSeconds(time) } },
});

/** The Deny by which a session policy holds `bind`. */
const denyOutside = (...addresses: readonly string[]): Statement => ({
  Effect: 'Deny',
  Action: ['s3:*'],
  Resource: ['*'],
  Condition: { NotIpAddress: { 'aws:SourceIp': addresses } },
});

const isoSeconds = (time: number): string => new Date(time).toISOString().replace(/\.\d+Z$/, 'Z');
const soon = 2_000;
/** Whole seconds are written, so the deadline may lie almost a second before or after. */
const deadline = ({ now }: Moment): number => now + soon;

const SCOPE_CASES: readonly CloudCase[] = [
  requestCase('without a session policy the role is the ceiling', {}, [
    step(get(), 'done'),
    step(get('secrets/keys.txt'), 'done'),
    step(get('reports/q3.csv', 'acme-other'), 'done'),
    step(get('reports/q3.csv', 'acme-closed'), 'denied'),
  ]),
  requestCase('a session policy narrows the role', policy(readReports), [
    step(get(), 'done'),
    step(head, 'done'),
    step(get('secrets/keys.txt'), 'denied'),
    step(get('reports/q3.csv', 'acme-other'), 'denied'),
    step(put('reports/new.csv'), 'denied'),
    step(remove('reports/q3.csv'), 'denied'),
    step(list('reports/'), 'denied'),
  ]),
  requestCase('a session policy cannot widen the role', policy(allow('s3:*', '*')), [
    step(get(), 'done'),
    step(get('reports/q3.csv', 'acme-closed'), 'denied'),
  ]),
  requestCase(
    'an explicit Deny beats every Allow',
    policy(allow('s3:*', data, `${data}/*`), {
      Effect: 'Deny',
      Action: ['s3:GetObject'],
      Resource: [`${data}/secrets/*`],
    }),
    [step(get(), 'done'), step(get('secrets/keys.txt'), 'denied')],
  ),
  requestCase(
    '? is one character and * is any run of them',
    policy(allow('s3:Get*', `${data}/*/q?.csv`)),
    [step(get(), 'done'), step(get('secrets/keys.txt'), 'denied')],
  ),
  requestCase('listing is allowed on the bucket', policy(allow('s3:ListBucket', data)), [
    step(list(''), 'done'),
    step(list('', 'acme-other'), 'denied'),
    step(get(), 'denied'),
  ]),
  requestCase(
    'an absent key is absent to who may read it',
    policy(readReports),
    [step(get('reports/none.csv'), 'absent'), step(get('secrets/none.txt'), 'denied')],
    {
      rgw: {
        reason: 'it looks for the key before it asks the session policy',
        outcomes: ['done', 'absent', 'absent'],
      },
    },
  ),
];

const TIME_AND_PLACE_CASES: readonly CloudCase[] = [
  requestCase(
    'a deadline in the session policy ends the keys',
    (moment) => policy(readReports, denyFrom(deadline(moment))),
    [step(get(), 'done'), step(get(), 'denied', soon + 100)],
  ),
  requestCase(
    'keys bound to our address work from here',
    ({ sourceIp }) => policy(readReports, denyOutside(sourceIp)),
    [step(get(), 'done')],
  ),
  requestCase(
    'keys bound to our block work from here',
    ({ sourceIp }) => policy(readReports, denyOutside('192.0.2.0/24', `${sourceIp}/31`)),
    [step(get(), 'done')],
  ),
  requestCase(
    'keys bound to another address do not',
    policy(readReports, denyOutside('192.0.2.7')),
    [step(get(), 'denied')],
  ),
];

const compiledTask: Task = {
  name: 'summarize',
  provider: 'aws',
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  allow: [{ actions: ['s3:GetObject'], resources: [`${data}/{folder}/*`] }],
  params: { folder: { pattern: '[a-z]+', maxLength: 40 } },
  lifetimeSeconds: 60,
  delivery: 'vend',
  containers: ['agent'],
  default: true,
  exclusive: false,
};

/** The very text that the sidecar sends, bound to our address. */
const compiled = (moment: Moment): SessionWish => ({
  policy: sessionPolicy({
    task: compiledTask,
    params: { folder: 'reports' },
    deadline: deadline(moment),
    cloud: { dialect: 's3', bind: { mode: 'podIP' } },
    podIp: moment.sourceIp,
  }),
});

const COMPILED_CASE = requestCase('a scope as the sidecar compiles it holds', compiled, [
  step(get(), 'done'),
  step(get('secrets/keys.txt'), 'denied'),
  step(put('reports/new.csv'), 'denied'),
  step(get(), 'denied', soon + 100),
]);

/** What a session's keys open, and what they do not. */
export const REQUEST_CASES: readonly CloudCase[] = [
  ...SCOPE_CASES,
  ...TIME_AND_PLACE_CASES,
  COMPILED_CASE,
  ...SIGNATURE_CASES,
  ...WRITE_CASES,
];
