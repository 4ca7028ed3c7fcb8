import { beforeEach, describe, expect, test } from '@jest/globals';

import { AuditError, type AuditEvent } from '../audit/audit-event.ts';
import { TASK_DETAILS_TYPE, JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '../contract/authority-api.ts';
import type { Task } from '../contract/task.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { IdentityError, type Workload } from '../identity/workload.ts';
import { IssuingError, type TokenRefusal } from './token-refusal.ts';
import { handleTokenRequest, type TokenEndpointDeps } from './token-endpoint.ts';

const task: Task = {
  name: 'one-customer',
  provider: 'aws',
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme/{customer}/*'] }],
  params: { customer: { pattern: '[a-z]+', maxLength: 20 } },
  lifetimeSeconds: 600,
  delivery: 'vend',
  containers: ['agent'],
  default: false,
  exclusive: false,
};
const workload: Workload = {
  namespace: 'research',
  namespaceLabels: { team: 'data' },
  serviceAccount: 'agent',
  pod: { name: 'agent-0', uid: 'uid-0', node: 'node-1', ip: '10.0.0.7' },
  admitted: { consumers: ['agent', 'helper'], tasks: [task] },
  templateHash: 'ab',
  exempted: { exceptions: ['4'], warned: ['7'] },
  tokenExpiresAt: 0,
};
const issued = {
  run: 'run-1',
  credentials: { accessKeyId: 'ASIA1', secretAccessKey: 'secret-1', sessionToken: 'session-1' },
  deadline: 1_000_600_000,
  skewMs: 12,
  sessionName: 'agent-0@run-1',
  policySha256: 'cd',
};
const decision = { outcome: 'allow', policies: ['all/0'], reasons: [], version: 'v1' } as const;
const requestedTask = {
  type: TASK_DETAILS_TYPE,
  task: 'one-customer',
  consumer: 'agent',
  params: { customer: 'acme' },
  purpose: 'nightly',
};
const buildCall = (members: object = {}) => ({
  form: new URLSearchParams({
    grant_type: TOKEN_EXCHANGE_GRANT,
    subject_token: 'po.d.token',
    subject_token_type: JWT_TYPE,
    authorization_details: JSON.stringify([{ ...requestedTask, ...members }]),
  }).toString(),
  peer: '10.0.0.7',
});

let steps: string[];
let records: AuditEvent[];
let podEvents: (readonly [string, TokenRefusal, string | undefined])[];
beforeEach(() => {
  steps = [];
  records = [];
  podEvents = [];
});

const traceStep = <T>(step: string, value: T): T => {
  steps.push(step);
  return value;
};
const recordEvent = (event: AuditEvent): Promise<void> => {
  steps.push(event.kind);
  records.push(event);
  return Promise.resolve();
};

const caller = {
  namespace: 'research',
  serviceAccount: 'agent',
  pod: { name: 'agent-0', uid: 'uid-0' },
};
const createDeps = (members: Partial<TokenEndpointDeps> = {}): TokenEndpointDeps => ({
  verifyPodToken: () =>
    Promise.resolve(
      traceStep('verify', {
        caller,
        identifyWorkload: () => Promise.resolve(traceStep('identify', workload)),
      }),
    ),
  checkRateLimits: () => void traceStep('admit', 0),
  verifyUserToken: () => Promise.reject(new Error('nobody acts for a human here')),
  findRevocation: () => traceStep('revocation', undefined),
  evaluatePolicy: () => Promise.resolve(traceStep('decide', decision)),
  bind: 'none',
  newRun: () => 'run-1',
  issueCredentials: () => Promise.resolve(traceStep('trade', issued)),
  record: recordEvent,
  recordRefusal: recordEvent,
  emitPodEvent: (who, refusal, name) => void podEvents.push([who.pod.name, refusal, name]),
  reportInternalError: () => 'bug-1',
  now: () => 1_000_000_000,
  ...members,
});

const exchangeRefused = async (members: Partial<TokenEndpointDeps>, asked: object = {}) => {
  const outcome = await handleTokenRequest(buildCall(asked), createDeps(members));
  if (outcome.kind !== 'refused') throw new Error('issued');
  return outcome.refusal;
};

describe('a token exchange', () => {
  test('goes one way: known, decided, on record, traded, on record, answered', async () => {
    const outcome = await handleTokenRequest(buildCall(), createDeps());
    expect(steps).toEqual([
      'verify',
      'admit',
      'identify',
      'revocation',
      'decide',
      'run.intent',
      'trade',
      'revocation',
      'run.issued',
    ]);
    if (outcome.kind !== 'issued') throw new Error('refused');
    const { access_token, ...answer } = outcome.answer;
    expect(JSON.parse(Buffer.from(access_token, 'base64url').toString())).toEqual({
      AccessKeyId: 'ASIA1',
      SecretAccessKey: 'secret-1',
      Token: 'session-1',
      Expiration: new Date(1_000_600_000).toISOString(),
    });
    expect(answer).toEqual({
      issued_token_type: 'urn:valetkey:params:oauth:token-type:aws-credentials',
      token_type: 'N_A',
      expires_in: 600,
      authorization_details: [requestedTask],
      run: 'run-1',
      deadline_ms: 1_000_600_000,
      answered_at_ms: 1_000_000_000,
      cloud_skew_ms: 12,
    });
  });

  test('records who, what, by which policy and leave, before and after, and nothing secret', async () => {
    await handleTokenRequest(buildCall(), createDeps());
    const common = {
      actor: {
        namespace: 'research',
        serviceAccount: 'agent',
        pod: 'agent-0',
        podUid: 'uid-0',
        consumer: 'agent',
      },
      run: 'run-1',
      task: 'one-customer',
      params: { customer: 'acme' },
      purpose: 'nightly',
      decision: { outcome: 'allow', policies: ['all/0'], version: 'v1' },
      exempted: { exceptions: ['4'], warned: ['7'] },
    };
    const scope = {
      role: task.role,
      sessionName: 'agent-0@run-1',
      actions: ['s3:GetObject'],
      resources: ['arn:aws:s3:::acme/acme/*'],
    };
    expect(records).toEqual([
      { ...common, kind: 'run.intent', at: 1_000_000_000, scope },
      {
        ...common,
        kind: 'run.issued',
        at: 1_000_000_000,
        scope: { ...scope, policySha256: 'cd', deadline: 1_000_600_000 },
      },
    ]);
    expect(JSON.stringify(records)).not.toMatch(/secret-1|session-1|po\.d\.token/);
  });

  test('tells policy what it asks, from the live pod and not from the caller', async () => {
    let question: unknown;
    await handleTokenRequest(
      buildCall(),
      createDeps({
        evaluatePolicy: (asked) => {
          question = asked;
          return Promise.resolve(decision);
        },
      }),
    );
    expect(question).toEqual({
      principal: {
        namespace: 'research',
        namespaceLabels: { team: 'data' },
        serviceAccount: 'agent',
      },
      task,
      params: { customer: 'acme' },
      purpose: 'nightly',
      sourceRestriction: 'none',
      approvals: [],
      atMs: 1_000_000_000,
    });
  });

  const reject = (error: Error) => () => Promise.reject(error);
  const fails = (error: Error) => (): never => {
    throw error;
  };
  const refusals: [string, Partial<TokenEndpointDeps>, object][] = [
    [
      'token_signature',
      { verifyPodToken: reject(new IdentityError('refused', 'token_signature', 'no')) },
      {},
    ],
    [
      'rate_limited_pod',
      { checkRateLimits: fails(new IssuingError('rate_limited_pod', 'no')) },
      {},
    ],
    ['task_unknown', {}, { task: 'other' }],
    ['consumer_not_allowed', {}, { consumer: 'helper' }],
    ['params_invalid', {}, { params: { customer: '../x' } }],
    ['params_invalid', {}, { params: { customer: 'acme', more: 'x' } }],
    ['params_invalid', {}, { params: {} }],
    [
      'revoked',
      { findRevocation: () => ({ name: 'stop', spec: { reason: 'leak', by: 'eve', all: true } }) },
      {},
    ],
    [
      'policy_denied',
      {
        evaluatePolicy: () =>
          Promise.resolve({ ...decision, outcome: 'deny', reasons: ['forbidden'] }),
      },
      {},
    ],
    [
      'policy_denied',
      { evaluatePolicy: () => Promise.resolve({ ...decision, outcome: 'undecided' }) },
      {},
    ],
    [
      'policy_unavailable',
      { evaluatePolicy: reject(new IssuingError('policy_unavailable', 'no')) },
      {},
    ],
    ['internal_error', { evaluatePolicy: reject(new TypeError('bug')) }, {}],
  ];
  test.each(refusals)('refuses with %s before anything is signed', async (code, members, asked) => {
    const refusal = await exchangeRefused(members, asked);
    expect(refusal.code).toBe(code);
    expect(steps).not.toContain('trade');
    expect(steps).not.toContain('run.intent');
    expect(records).toMatchObject([{ kind: 'run.refused', reason: code }]);
  });

  test('names the policies that denied', async () => {
    const denied = { ...decision, outcome: 'deny', policies: ['pii/0'], reasons: ['forbidden'] };
    const refusal = await exchangeRefused({
      evaluatePolicy: () => Promise.resolve(denied as never),
    });
    expect(refusal).toMatchObject({ code: 'policy_denied', policies: ['pii/0'] });
    expect(records).toMatchObject([{ decision: { policies: ['pii/0'] } }]);
  });

  test('records that the cloud refused, with the run that it refused', async () => {
    const refusal = await exchangeRefused({
      issueCredentials: () => Promise.reject(new ExchangeError('refused', 'AccessDenied', 'no')),
    });
    expect(refusal.code).toBe('AccessDenied');
    expect(records).toMatchObject([
      { kind: 'run.intent', run: 'run-1' },
      { kind: 'run.refused', run: 'run-1', reason: 'AccessDenied' },
    ]);
  });

  test('gives nothing to a run that was revoked while it was traded', async () => {
    let looks = 0;
    const refusal = await exchangeRefused({
      findRevocation: () => {
        looks += 1;
        return looks === 1
          ? undefined
          : { name: 'stop', spec: { reason: 'leak', by: 'eve', all: true } };
      },
    });
    expect(refusal.code).toBe('revoked');
    expect(steps).not.toContain('run.issued');
  });

  test.each(['run.intent', 'run.issued'])('issues nothing when %s is not kept', async (kind) => {
    const refusal = await exchangeRefused({
      record: (event) =>
        event.kind === kind
          ? Promise.reject(new AuditError('disk_full', 'full'))
          : recordEvent(event),
    });
    expect(refusal.code).toBe('audit_unavailable');
    expect(steps.includes('trade')).toBe(kind === 'run.issued');
  });

  test('claims no refusal that is not kept', async () => {
    const refusal = await exchangeRefused(
      { recordRefusal: () => Promise.reject(new AuditError('disk_full', 'full')) },
      { task: 'other' },
    );
    expect(refusal.code).toBe('audit_unavailable');
    expect(podEvents).toEqual([]);
  });

  test('tells the pod of an answer, never of what passes, nor anybody before the token holds', async () => {
    await exchangeRefused({}, { task: 'other' });
    expect(podEvents).toMatchObject([['agent-0', { code: 'task_unknown' }, 'other']]);
    podEvents = [];
    await exchangeRefused({
      evaluatePolicy: () => Promise.reject(new IssuingError('policy_unavailable', 'no')),
    });
    await exchangeRefused({
      verifyPodToken: () => Promise.reject(new IdentityError('refused', 'token_signature', 'no')),
    });
    expect(podEvents).toEqual([]);
  });
});
