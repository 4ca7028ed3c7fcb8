import { describe, expect, it } from '@jest/globals';

import type { AuthorityConfig } from './config.ts';
import { createRunEndHandler, type RunEndHandlerDeps } from './run-end.ts';

const ROLE = 'arn:aws:iam::111122223333:role/agent-reports';
const platform = {
  authority: { denyList: { revokerRole: 'arn:aws:iam::111122223333:role/revoker', roles: [ROLE] } },
  tasks: { maxLifetimeSeconds: 3600 },
};

/** No pod exists, so each run may have the role that opts in. */
const createTestHandler = () => {
  const created: string[] = [];
  const failures: string[] = [];
  let now = 0;
  const edges: RunEndHandlerDeps = {
    cluster: {
      identity: { readPod: () => Promise.resolve(undefined) } as never,
      revocations: {
        list: () => Promise.resolve({ resourceVersion: '1', items: [] }),
        create: (name: string) => Promise.resolve(created.push(name)),
      } as never,
      createRoleLease: () => ({ acquire: () => Promise.resolve(undefined) }),
    },
    issuer: {
      cloud: {
        issueCredentials: () => Promise.reject(new Error('no exchange')),
        writeDenyList: () => Promise.resolve(),
      },
    },
    revocations: { listInForce: () => [], subscribe: () => () => undefined },
    metrics: { denyListUpdated: () => undefined },
    by: 'authority',
    record: () => Promise.resolve(),
    clock: { now: () => now, monotonic: () => now },
    random: () => 0.5,
    onFailure: (message) => void failures.push(message),
  };
  const ending = createRunEndHandler({ platform } as unknown as AuthorityConfig, edges);
  const revoke = (run: string, pod = 'a'): Promise<boolean> => {
    const caller = { namespace: 'research', serviceAccount: 'agent', pod: { name: pod, uid: pod } };
    return ending.reportRunEnd({ run, end: 'revoked', caller, hasDelegated: true });
  };
  const end = async (pod: string, count: number, namespace = 'research'): Promise<void> => {
    for (let run = 0; run < count; run += 1) {
      const caller = { namespace, serviceAccount: 'agent', pod: { name: pod, uid: pod } };
      await ending.reportRunEnd({
        run: `${pod}-${run}`,
        end: 'completed',
        caller,
        hasDelegated: false,
      });
    }
  };
  return { ending, end, revoke, created, failures, pass: (ms: number) => (now += ms) };
};

describe('createRunEndHandler', () => {
  it('limits the Revocations of one pod, without affecting its neighbors', async () => {
    const { ending, end, created, failures, pass } = createTestHandler();
    await end('a', 100);
    expect(created).toHaveLength(20);
    expect(failures).toContain('ended run not denied before its deadline');
    await end('b', 1);
    expect(created.at(-1)).toBe('run-b-0');
    pass(30_000);
    await end('a', 2);
    expect(created).toHaveLength(22);
    ending.stop();
  });

  it('limits the Revocations of one namespace, regardless of the number of pods', async () => {
    const { ending, end, created } = createTestHandler();
    for (let pod = 0; pod < 30; pod += 1) await end(`pod-${pod}`, 10);
    expect(created).toHaveLength(200);
    await end('c', 1, 'sales');
    expect(created).toHaveLength(201);
    ending.stop();
  });

  it('publishes every run that a revocation ended, after any number of other ends', async () => {
    const { ending, end, revoke, created } = createTestHandler();
    for (let pod = 0; pod < 11; pod += 1) await end(`pod-${pod}`, 20);
    await end('a', 30);
    created.length = 0;
    for (let run = 0; run < 300; run += 1) await revoke(`child-${run}`);
    expect(created).toHaveLength(300);
    ending.stop();
  });

  it('never omits a run that a revocation ended: beyond its limit, the sidecar repeats the report', async () => {
    const { ending, revoke, created, failures, pass } = createTestHandler();
    for (let run = 0; run < 1_000; run += 1) await revoke(`child-${run}`);
    await expect(revoke('one-more')).rejects.toMatchObject({ name: 'IdentityError' });
    expect(created).not.toContain('run-one-more');
    await revoke('other', 'b');
    pass(1_000);
    await revoke('one-more');
    expect(created.slice(-2)).toEqual(['run-other', 'run-one-more']);
    expect(failures).not.toContain('ended run not denied before its deadline');
    ending.stop();
  });
});
