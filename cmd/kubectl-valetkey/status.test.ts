import { describe, expect, it } from '@jest/globals';

import { KubernetesError } from '../../lib/edge/kubernetes/kubernetes-error.ts';
import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';
import {
  CLUSTER_PLATFORM,
  PLATFORM,
  buildPolicyResource,
  buildRevocationResource,
  runCli,
  createHealthyCluster,
  type CliFixture,
} from './fixtures/cli-harness.ts';

const by = 'system:serviceaccount:valetkey:valetkey-authority';
const rejectForbidden = () =>
  Promise.reject(
    new KubernetesError('refused', 'list pods', { status: 403, reason: 'status 403' }),
  );

describe('status', () => {
  it('prints the state of a healthy installation and exits with 0', async () => {
    const { code, out, error } = await runCli(['status']);
    expect(out).toBe(`trust: authority

PROGRAM                         READY
Deployment valetkey-webhook     2/2
StatefulSet valetkey-authority  2/2

POLICY            READY  REASON  AGE
valetkey-starter  yes    Valid   2d

GRANT KEY  ALGORITHM  USE      AGE
key-0      ES256      signing  30d
key-1      ES256      next     2d

REVOCATION  TARGET  BY  UNTIL  AGE  REASON
none

AUDIT HEAD            CHAIN                   RECORD  AGE
valetkey-authority-0  valetkey-authority-0.c  40      12s
valetkey-authority-1  valetkey-authority-1.c  41      12s

NAMESPACE  PODS WITH TASKS
research   2
sales      1

No problems found.
`);
    expect([code, error]).toEqual([0, '']);
  });

  it('lists Revocations in force and only counts those that report the end of a run', async () => {
    const listRevocations = () =>
      Promise.resolve([
        buildRevocationResource('stop', { pod: { namespace: 'research', name: 'agent-7' } }),
        buildRevocationResource('over', { all: true, until: '2026-01-05T13:29:59Z' }),
        buildRevocationResource('run-a', { run: 'aaaa', by }),
        buildRevocationResource('run-b', { run: 'bbbb', by }),
      ]);
    const { out, code } = await runCli(['status'], { cluster: { listRevocations } });
    expect(out).toContain('stop        pod research/agent-7  alice  deleted  30m  incident 42');
    expect(out).toContain('and 2 runs that the authority reported as ended');
    expect(out).not.toContain('over');
    expect(code).toBe(0);
  });

  it('reads only the webhook and the pods under trust: cluster', async () => {
    const never = () => Promise.reject(new Error('must not be called'));
    const cluster = { readAuthority: never, listPolicies: never, readDocument: never };
    const { code, out } = await runCli(['status'], { cluster, platform: CLUSTER_PLATFORM });
    expect(out).toContain('trust: cluster');
    expect(out).not.toContain('POLICY');
    expect(code).toBe(0);
  });

  it('warns if tasks may name roles in any account, and still exits with 0', async () => {
    const platform = PLATFORM.replace(/accountIds: .*/, 'accountIds: ["*"]}');
    const { code, out } = await runCli(['status'], { platform });
    expect(out).toContain("Warnings:\n  tasks.accountIds is ['*']: a task may name a role");
    expect(code).toBe(0);
  });

  it('prints the same state as JSON', async () => {
    const { out } = await runCli(['status', '-o', 'json']);
    expect(JSON.parse(out)).toMatchObject({
      trust: 'authority',
      programs: [{ ready: 2, wanted: 2 }, {}],
      keys: [{ kid: 'key-0', use: 'signing' }, { use: 'next' }],
      pods: [{ namespace: 'research', count: 2 }, {}],
      problems: [],
      warnings: [],
    });
  });

  const problems: readonly (readonly [string, CliFixture['cluster'], string])[] = [
    [
      'a replica that is not ready',
      { readAuthority: () => Promise.resolve({ ready: 1, wanted: 2 }) },
      'StatefulSet valetkey-authority: expected 2 ready replicas, got 1',
    ],
    [
      'a program scaled to zero',
      { readWebhook: () => Promise.resolve({ ready: 0, wanted: 0 }) },
      'Deployment valetkey-webhook: expected 1 ready replicas, got 0',
    ],
    [
      'a missing program',
      { readWebhook: () => Promise.resolve(undefined) },
      'Deployment valetkey-webhook: expected it to exist, got nothing',
    ],
    [
      'an invalid policy',
      { listPolicies: () => Promise.resolve([buildPolicyResource('', false)]) },
      'TaskPolicy valetkey-starter: line 1, column 1: expected Cedar, got more',
    ],
    [
      'a policy whose current version was not evaluated',
      {
        listPolicies: () => {
          const { metadata, ...rest } = buildPolicyResource(STARTER_POLICY);
          return Promise.resolve([{ ...rest, metadata: { ...metadata, generation: 3 } }]);
        },
      },
      'TaskPolicy valetkey-starter: no authority has evaluated this version',
    ],
    [
      'no policy',
      { listPolicies: () => Promise.resolve([]) },
      'TaskPolicies: expected at least one, got none: all tasks are denied',
    ],
    [
      'an invalid Revocation',
      { listRevocations: () => Promise.resolve([buildRevocationResource('odd', {})]) },
      'revocations/odd spec: expected exactly one of run, pod, task, serviceAccount, namespace, all',
    ],
    [
      'a missing head',
      {
        readConfigMap: (name) =>
          name === 'valetkey-audit-heads'
            ? Promise.resolve({ 'valetkey-authority-0': 'x' })
            : readHealthyPlatform(),
      },
      'audit head of valetkey-authority-1: expected a published head, got nothing',
    ],
    [
      'an invalid key set',
      { readDocument: () => Promise.resolve({ keys: [] }) },
      'grant keys: unknown (/jwks: expected a key set (RFC 7517), got {"keys":[]})',
    ],
    [
      'a missing permission',
      { listPolicies: rejectForbidden },
      'TaskPolicies: unknown (list pods: refused (status 403))',
    ],
  ];
  it.each(problems)('reports %s and exits with 1', async (_, cluster, expected) => {
    const { code, out } = await runCli(['status'], { cluster: { ...cluster } });
    expect(out).toContain(`Problems:\n`);
    expect(out).toContain(expected);
    expect(code).toBe(1);
  });
});

function readHealthyPlatform() {
  return createHealthyCluster().readConfigMap('valetkey-platform');
}
