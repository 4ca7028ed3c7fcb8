import { describe, expect, it } from '@jest/globals';

import { AuditError, type AuditEvent } from '../audit/audit-event.ts';
import type { RevocationSpec } from '../contract/authority-api.ts';
import { createCanaries, refuseCanaryTask } from './canaries.ts';
import { RequestError } from './token-refusal.ts';

const caller = {
  ...{ namespace: 'live', serviceAccount: 'agent' },
  pod: { name: 'agent-1', uid: 'd3dbe68c-7e47-47b7-a570-7dd75e64f347' },
};
const by = 'system:serviceaccount:valetkey:authority';

const setUp = () => {
  const steps: string[] = [];
  let isFull = false;
  const canaries = createCanaries({
    ...{ patterns: [], by, now: () => 0, onTouched: () => undefined },
    record: ({ kind }) => {
      steps.push(kind);
      return isFull ? Promise.reject(new AuditError('disk_full', 'full')) : Promise.resolve();
    },
    createRevocation: (name, { reason }) => {
      steps.push(`${name.replace(/[0-9a-f]{20}$/, '…')}: ${reason}`);
      return Promise.resolve('created');
    },
  });
  const start = (findRevocation: () => { name: string; spec: RevocationSpec } | undefined) =>
    refuseCanaryTask(
      { name: 'payroll', canary: true },
      { caller, consumer: 'agent', readChain: () => [] },
      { canaries, findRevocation },
    ).catch((error: unknown) => (error as Partial<RequestError>).code);
  return { steps, canaries, start, setFull: (next: boolean) => void (isFull = next) };
};

const touched = ['platform-…: revoked by the platform', 'canary.touched'];

describe('a touch of a canary', () => {
  it('revokes the pod before it is recorded, and is kept while records fail', async () => {
    const { steps, canaries, setFull } = setUp();
    setFull(true);
    const touch = { caller, task: 'payroll', consumer: 'agent' };
    await expect(canaries.touch(touch)).rejects.toThrow('full');
    expect(steps).toEqual(touched);
    const kept: readonly AuditEvent[] = canaries.takeUnrecorded();
    expect(kept).toMatchObject([{ kind: 'canary.touched', task: 'payroll' }]);
    expect(canaries.takeUnrecorded()).toEqual([]);
    setFull(false);
    await canaries.touch(touch);
    expect(canaries.takeUnrecorded()).toEqual([]);
  });
});

describe('refuseCanaryTask', () => {
  const spec = { reason: 'incident', by };
  const { name, uid } = caller.pod;

  it('is not a touch of a pod that is revoked', async () => {
    const { steps, start } = setUp();
    const revocation = { ...spec, pod: { namespace: 'live', name, uid } };
    expect(await start(() => ({ name: 'one', spec: revocation }))).toBe('revoked');
    expect(steps).toEqual([]);
  });

  it('is one of a pod whose namespace is revoked, which may end before the pod does', async () => {
    const { steps, start } = setUp();
    expect(await start(() => ({ name: 'one', spec: { ...spec, namespace: 'live' } }))).toBe(
      'revoked',
    );
    expect(steps).toEqual(touched);
  });

  it('is one also while the Revocations are not known', async () => {
    const { steps, start } = setUp();
    const code = await start(() => {
      throw new RequestError('revocations_unavailable', 'not loaded');
    });
    expect(code).toBe('policy_denied');
    expect(steps).toEqual(touched);
  });
});
