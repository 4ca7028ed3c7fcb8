import { describe, expect, it } from '@jest/globals';

import type { Gate } from '../contract/authority-api.ts';
import type { Permission } from '../operations/operation.ts';
import type { CallAuthorization } from './call-authorization.ts';
import type { CallRun, CallRuns } from './call-runs.ts';
import { closeAfterCanary, refuseCanary } from './canaries.ts';
import { createGateCheck } from './gate-check.ts';
import { findProposal } from './proposed-right.ts';

const PATTERN = 'https://api.example.com/admin/*';
const like = [PATTERN, 'arn:aws:s3:::acme-payroll/*'];
const gates: readonly Gate[] = [{ gate: 'canary', actions: ['*'], like, policies: [] }];
const oversight = { ticket: 'vk1.claims.hmac', gates, policyVersion: 'one' };
const owner = { consumer: 'agent', task: 'report' };

const buildRun = (members: Partial<CallRun> = {}): CallRun =>
  ({
    ...{ run: 'run-1', task: 'report', allow: [], oversight, release: () => undefined },
    signal: new AbortController().signal,
    ...members,
  }) as CallRun;

const touch = (permission: Permission, refusal?: CallAuthorization['refusal']) => {
  const reported: Permission[] = [];
  const run = buildRun({ touchCanary: (each) => void reported.push(each) });
  const decided = refuseCanary(run, {
    ...{ permissions: [permission], isResolved: true },
    ...(refusal && { refusal }),
  });
  return { reported, decided };
};

describe('refuseCanary', () => {
  it('keeps the refusal of a call that is outside of its task', () => {
    const refusal = { code: 'action_outside', message: 'http:GET is outside task report' } as const;
    const permission = { action: 'http:GET', resource: 'https://api.example.com/admin/users' };
    const { reported, decided } = touch(permission, refusal);
    expect([decided.refusal, reported]).toEqual([refusal, [permission]]);
  });

  it('can be proposed to people like what is outside of a task', () => {
    const permission = { action: 's3:GetObject', resource: 'arn:aws:s3:::acme-payroll/a' };
    const { decided } = touch(permission);
    const { action, resource } = permission;
    const allow = [{ actions: [action], resources: ['arn:aws:s3:::*'] }];
    expect(findProposal('resource_outside', decided, { name: 'report', allow })).toEqual({
      task: 'report',
      allow: [{ actions: [action], resources: [resource] }],
    });
  });

  it('reports the pattern of a resource that is longer than the authority takes', () => {
    const resource = `https://api.example.com/admin/${'a'.repeat(2_048)}`;
    const { reported, decided } = touch({ action: 'http:GET', resource });
    expect(reported).toEqual([{ action: 'http:GET', resource: PATTERN }]);
    expect(decided.refusal?.message).toContain(resource);
  });
});

describe('closeAfterCanary', () => {
  const permission = { action: 's3:GetObject', resource: 'arn:aws:s3:::acme-payroll/a' };

  const setUp = () => {
    const waiting: ((run: CallRun) => void)[] = [];
    const runs: CallRuns = {
      end: () => undefined,
      resolve: () => new Promise((resolve) => waiting.push(resolve)),
    };
    const closed = closeAfterCanary(runs, () => undefined);
    return { waiting, resolve: () => closed.resolve(owner) };
  };

  it('refuses a call that waits for its run meanwhile, and releases the run', async () => {
    const { waiting, resolve } = setUp();
    const [first, second] = [resolve(), resolve()];
    let released = 0;
    waiting[0]?.(buildRun());
    ((await first) as CallRun).touchCanary?.(permission);
    waiting[1]?.(buildRun({ release: () => void (released += 1) }));
    expect(await second).toMatchObject({ code: 'run_revoked' });
    expect(released).toBe(1);
  });

  it('refuses a call that waits for its gates meanwhile', async () => {
    const { waiting, resolve } = setUp();
    const [first, second] = [resolve(), resolve()];
    for (const each of waiting) each(buildRun());
    const [one, other] = (await Promise.all([first, second])) as [CallRun, CallRun];
    const check = createGateCheck({});
    const facts = { bytes: 0 };
    expect(await check({ id: 'call-1' }, other, facts)).toBeUndefined();
    one.touchCanary?.(permission);
    expect(await check({ id: 'call-1' }, other, facts)).toMatchObject({ code: 'run_revoked' });
  });
});
