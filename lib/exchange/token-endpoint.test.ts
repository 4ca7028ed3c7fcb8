import { beforeEach, describe, expect, it } from '@jest/globals';

import { AuditError, type AuditEvent } from '../audit/audit-event.ts';
import { TASK_DETAILS_TYPE, JWT_TYPE, TOKEN_EXCHANGE_GRANT } from '../contract/authority-api.ts';
import type { Task } from '../contract/task.ts';
import { ExchangeError } from '../contract/exchange.ts';
import { IdentityError, type Workload } from '../identity/workload.ts';
import { parseUpstream } from '../upstreams/upstream-parser.ts';
import type { HttpUpstream } from '../upstreams/upstream.ts';
import type { VerifiedToken } from './caller.ts';
import { RequestError } from './token-refusal.ts';
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
  pod: { name: 'agent-0', uid: 'uid-0', node: 'node-1', ips: ['10.0.0.7'] },
  admitted: { consumers: ['agent', 'helper'], tasks: [task] },
  templateHash: 'ab',
  exempted: { exemptions: ['4'], warned: ['7'] },
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
let podEvents: Parameters<TokenEndpointDeps['emitPodEvent']>[0][];
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
const verified: VerifiedToken = {
  caller,
  claims: {
    namespace: 'research',
    pod: caller.pod,
    serviceAccount: { name: 'agent', uid: 'uid-agent' },
    expiresAt: 0,
  },
  token: 'po.d.token',
  peer: '10.0.0.7',
};
/** People are not asked unless policy says so. */
const createNoApprovals = (): TokenEndpointDeps['approvals'] => {
  const refuse = (): never => {
    throw new Error('no approval was expected');
  };
  return {
    store: {
      readRequest: refuse,
      createRequest: refuse,
      removeRequest: refuse,
      listRequests: refuse,
      listApprovals: refuse,
      setState: refuse,
    },
    useOnce: { consume: refuse, find: refuse },
    beingAsked: new Set(),
    emergencies: { begin: refuse, requireReviewed: refuse, collectReviews: refuse },
    ...{
      lifetimeSeconds: 900,
      holdSeconds: 0,
      requireSeparation: false,
      record: refuse,
      onApproval: refuse,
      observeDecisions: refuse,
      notifyPeople: refuse,
      now: () => 0,
    },
  };
};

const createDeps = (members: Partial<TokenEndpointDeps> = {}): TokenEndpointDeps => ({
  verifyPodToken: () => Promise.resolve(traceStep('verifyPodToken', verified)),
  checkRateLimits: () => void traceStep('checkRateLimits', 0),
  identifyWorkload: () => Promise.resolve(traceStep('identifyWorkload', workload)),
  verifyUserToken: () => Promise.reject(new Error('no user token was expected')),
  findRevocation: () => traceStep('checkRevocations', undefined),
  findUpstream: () => {
    throw new Error('no task of provider http was expected');
  },
  decideRun: () => Promise.resolve(traceStep('evaluatePolicy', { decision })),
  approvals: createNoApprovals(),
  computeGates: () => Promise.resolve(traceStep('planOversight', [])),
  canaries: {
    listGates: () => [],
    findTouched: () => undefined,
    touch: () => Promise.resolve(),
    takeUnrecorded: () => [],
  },
  sealTicket: () => 'vk1.claims.hmac',
  sourceRestriction: 'none',
  dialect: 'aws',
  vend: 'free',
  readHandle: () => undefined,
  useOnce: { consume: () => Promise.reject(new Error('no handle was expected')) },
  delegableRoles: [],
  newRun: () => 'run-1',
  issueCredentials: () => Promise.resolve(traceStep('issueCredentials', issued)),
  discardIssued: () => undefined,
  record: recordEvent,
  recordRefusal: recordEvent,
  emitPodEvent: (event) => void podEvents.push(event),
  reportInternalError: () => 'error-1',
  now: () => 1_000_000_000,
  ...members,
});

const exchangeRefused = async (members: Partial<TokenEndpointDeps>, details: object = {}) => {
  const outcome = await handleTokenRequest(buildCall(details), createDeps(members));
  if (outcome.kind !== 'refused') throw new Error('issued');
  return outcome.refusal;
};

describe('what was issued and is not returned', () => {
  it('is revoked when the run was revoked meanwhile, or when no record could be written', async () => {
    const revocation = { name: 'stop', spec: { reason: 'leak', by: 'eve', all: true } };
    let finds = 0;
    let records = 0;
    const failures: Partial<TokenEndpointDeps>[] = [
      { findRevocation: () => ((finds += 1) === 2 ? revocation : undefined) },
      {
        record: () =>
          (records += 1) === 2
            ? Promise.reject(new AuditError('disk_full', 'no'))
            : Promise.resolve(),
      },
    ];
    for (const failure of failures) {
      const discarded: string[] = [];
      const discardIssued = ({ run }: { run: string }) => void discarded.push(run);
      await exchangeRefused({ ...failure, discardIssued });
      expect(discarded).toEqual(['run-1']);
    }
  });

  it('is kept when the response is returned', async () => {
    const discarded: string[] = [];
    await handleTokenRequest(
      buildCall(),
      createDeps({ discardIssued: ({ run }) => void discarded.push(run) }),
    );
    expect(discarded).toEqual([]);
  });
});

describe('the Upstream of a run', () => {
  it('is the one that policy decided on, although another is applied meanwhile', async () => {
    const http: Task = { ...task, provider: 'http', role: 'model-api' };
    const versions: HttpUpstream[] = [];
    const findUpstream = () => {
      const found = parseUpstream({
        metadata: { name: 'model-api' },
        spec: { url: `https://v${versions.length}.example`, protocol: 'mcp' },
      });
      if (!found.ok || found.value.kind !== 'http') throw new Error('not parsed');
      versions.push(found.value);
      return found.value;
    };
    const seen: unknown[] = [];
    await handleTokenRequest(
      buildCall(),
      createDeps({
        identifyWorkload: () =>
          Promise.resolve({ ...workload, admitted: { consumers: ['agent'], tasks: [http] } }),
        findUpstream,
        decideRun: ({ upstream }) => {
          seen.push(upstream);
          return Promise.resolve({ decision });
        },
        issueCredentials: ({ upstream }) => {
          seen.push(upstream);
          return Promise.resolve(issued);
        },
      }),
    );
    expect(seen).toEqual([versions[0], versions[0]]);
    expect(versions).toHaveLength(1);
  });
});

describe('handleTokenRequest', () => {
  it('runs the steps in order and returns credentials in the container credentials format', async () => {
    const outcome = await handleTokenRequest(buildCall(), createDeps());
    expect(steps).toEqual([
      'verifyPodToken',
      'checkRateLimits',
      'identifyWorkload',
      'checkRevocations',
      'evaluatePolicy',
      'planOversight',
      'run.intent',
      'issueCredentials',
      'checkRevocations',
      'run.issued',
    ]);
    if (outcome.kind !== 'issued') throw new Error('refused');
    const { access_token, ...response } = outcome.response;
    expect(JSON.parse(Buffer.from(access_token, 'base64url').toString())).toEqual({
      AccessKeyId: 'ASIA1',
      SecretAccessKey: 'secret-1',
      Token: 'session-1',
      Expiration: new Date(1_000_600_000).toISOString(),
    });
    expect(response).toEqual({
      issued_token_type: 'urn:valetkey:params:oauth:token-type:aws-credentials',
      token_type: 'N_A',
      expires_in: 600,
      authorization_details: [requestedTask],
      run: 'run-1',
      deadline_ms: 1_000_600_000,
      answered_at_ms: 1_000_000_000,
      cloud_skew_ms: 12,
      ticket: 'vk1.claims.hmac',
      gates: [],
      policy_version: decision.version,
    });
  });

  it('records caller, task, decision and exemptions before and after issuing, and no secret', async () => {
    await handleTokenRequest(buildCall(), createDeps());
    const expectedRecord = {
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
      exempted: { exemptions: ['4'], warned: ['7'] },
    };
    const scope = {
      role: task.role,
      sessionName: 'agent-0@run-1',
      actions: ['s3:GetObject'],
      resources: ['arn:aws:s3:::acme/acme/*'],
    };
    expect(records).toEqual([
      { ...expectedRecord, kind: 'run.intent', at: 1_000_000_000, scope },
      {
        ...expectedRecord,
        kind: 'run.issued',
        at: 1_000_000_000,
        scope: { ...scope, policySha256: 'cd', deadline: 1_000_600_000 },
      },
    ]);
    expect(JSON.stringify(records)).not.toMatch(/secret-1|session-1|po\.d\.token/);
  });

  it('builds the policy request from the running pod, not from the caller', async () => {
    let policyRequest: unknown;
    await handleTokenRequest(
      buildCall(),
      createDeps({
        decideRun: (request) => {
          policyRequest = request;
          return Promise.resolve({ decision });
        },
      }),
    );
    expect(policyRequest).toEqual({
      principal: {
        namespace: 'research',
        namespaceLabels: { team: 'data' },
        serviceAccount: 'agent',
      },
      task,
      params: { customer: 'acme' },
      sourceRestriction: 'none',
      dialect: 'aws',
      vend: 'free',
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
      { checkRateLimits: fails(new RequestError('rate_limited_pod', 'no')) },
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
        decideRun: () =>
          Promise.resolve({ decision: { ...decision, outcome: 'deny', reasons: ['forbidden'] } }),
      },
      {},
    ],
    [
      'policy_denied',
      { decideRun: () => Promise.resolve({ decision: { ...decision, outcome: 'undecided' } }) },
      {},
    ],
    ['policy_unavailable', { decideRun: reject(new RequestError('policy_unavailable', 'no')) }, {}],
    ['internal_error', { decideRun: reject(new TypeError('no')) }, {}],
  ];
  it.each(refusals)('refuses with %s before a grant is signed', async (code, members, details) => {
    const refusal = await exchangeRefused(members, details);
    expect(refusal.code).toBe(code);
    expect(steps).not.toContain('issueCredentials');
    expect(steps).not.toContain('run.intent');
    expect(records).toMatchObject([{ kind: 'run.refused', reason: code }]);
  });

  it('names the policies that denied, in the refusal and in its record', async () => {
    const denied = { ...decision, outcome: 'deny', policies: ['pii/0'], reasons: ['forbidden'] };
    const refusal = await exchangeRefused({
      decideRun: () => Promise.resolve({ decision: denied as never }),
    });
    expect(refusal).toMatchObject({ code: 'policy_denied', policies: ['pii/0'] });
    expect(records).toMatchObject([{ decision: { policies: ['pii/0'] } }]);
  });

  it('records a refusal by the cloud with the run ID', async () => {
    const refusal = await exchangeRefused({
      issueCredentials: () => Promise.reject(new ExchangeError('refused', 'AccessDenied', 'no')),
    });
    expect(refusal.code).toBe('AccessDenied');
    expect(records).toMatchObject([
      { kind: 'run.intent', run: 'run-1' },
      { kind: 'run.refused', run: 'run-1', reason: 'AccessDenied' },
    ]);
  });

  it('returns no credentials for a run that was revoked while they were issued', async () => {
    let calls = 0;
    const refusal = await exchangeRefused({
      findRevocation: () => {
        calls += 1;
        return calls === 1
          ? undefined
          : { name: 'stop', spec: { reason: 'leak', by: 'eve', all: true } };
      },
    });
    expect(refusal.code).toBe('revoked');
    expect(steps).not.toContain('run.issued');
  });

  it.each(['run.intent', 'run.issued'])(
    'returns no credentials when %s cannot be recorded',
    async (kind) => {
      const refusal = await exchangeRefused({
        record: (event) =>
          event.kind === kind
            ? Promise.reject(new AuditError('disk_full', 'full'))
            : recordEvent(event),
      });
      expect(refusal.code).toBe('audit_unavailable');
      expect(steps.includes('issueCredentials')).toBe(kind === 'run.issued');
    },
  );

  it('returns audit_unavailable when the refusal cannot be recorded', async () => {
    const refusal = await exchangeRefused(
      { recordRefusal: () => Promise.reject(new AuditError('disk_full', 'full')) },
      { task: 'other' },
    );
    expect(refusal.code).toBe('audit_unavailable');
    expect(podEvents).toMatchObject([{ reason: 'RunUnavailable', code: 'audit_unavailable' }]);
  });

  it('writes an Event for a refusal, and another kind of Event for a temporary one', async () => {
    await exchangeRefused({}, { task: 'other' });
    expect(podEvents).toMatchObject([
      {
        namespace: 'research',
        pod: { name: 'agent-0' },
        reason: 'RunRefused',
        message: expect.stringMatching(
          /^task other: task_unknown: task: expected one of /,
        ) as unknown,
      },
    ]);
    podEvents = [];
    await exchangeRefused({
      decideRun: () => Promise.reject(new RequestError('policy_unavailable', 'no')),
    });
    expect(podEvents).toMatchObject([
      {
        ...{ reason: 'RunUnavailable', code: 'policy_unavailable' },
        message: 'task one-customer: policy_unavailable: no',
      },
    ]);
  });

  const signedClaims = {
    'kubernetes.io': { namespace: 'research', pod: { name: 'agent-0', uid: 'uid-0' } },
  };
  const refuseToken = (code: string, claims?: object) =>
    exchangeRefused({
      verifyPodToken: () =>
        Promise.reject(
          new IdentityError('refused', code, 'no', claims && { signedClaims: claims }),
        ),
    });

  it('writes an Event for a refused token whose signature proves the pod', async () => {
    await refuseToken('token_expired', signedClaims);
    expect(podEvents).toMatchObject([
      { namespace: 'research', pod: { name: 'agent-0', uid: 'uid-0' }, code: 'token_expired' },
    ]);
    // The audit record names no actor: the token identifies no caller.
    expect(records.at(-1)?.actor).toBeUndefined();
  });

  it.each([
    ['whose signature is not valid', undefined],
    ['that names no pod', { sub: 'x' }],
    ['that names a pod by an invalid name', { 'kubernetes.io': { namespace: '../a', pod: {} } }],
  ])('writes no Event for a refused token %s', async (_, claims) => {
    await refuseToken('token_signature', claims);
    expect(podEvents).toEqual([]);
  });

  it.each(['draining', 'starting'] as const)(
    'writes no Event for %s, because the sidecar retries at another replica',
    async (code) => {
      await exchangeRefused({ decideRun: () => Promise.reject(new RequestError(code, 'no')) });
      expect(podEvents).toEqual([]);
    },
  );
});
