import { describe, expect, it } from '@jest/globals';

import type { AuditEvent } from '../../../lib/audit/audit-event.ts';
import { createMemorySink, createTestRecorder } from '../../../lib/audit/fixtures/recording.ts';
import type { Pod } from '../../../lib/contract/pod.ts';
import type { Task } from '../../../lib/contract/task.ts';
import { agentPod, injectPod } from '../../../lib/injection/fixtures/injected-pods.ts';
import { authorityPlatform, buildTask } from '../../../lib/injection/fixtures/sample-platform.ts';
import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import type { ClusterClient } from '../cluster.ts';
import { CLUSTER_PLATFORM, runCli, type CliFixture } from '../fixtures/cli-harness.ts';

/** The clock of the fixtures. */
const NOW = Date.parse('2026-01-05T13:30:00Z');
const tasks: readonly Task[] = [
  buildTask('summarize', ['agent', 'helper']),
  { ...buildTask('invoice', ['helper']), delivery: 'sign' },
];

const buildPod = (name: string, uid = `uid-${name}`): Pod => {
  const pod = injectPod({ pod: agentPod, tasks, platform: authorityPlatform });
  return { ...pod, metadata: { ...pod.metadata, name, uid, namespace: 'research' } };
};
const declaringPod: Pod = {
  metadata: {
    ...{ name: 'late', namespace: 'research', uid: 'uid-late' },
    annotations: { 'task.valetkey.dev/a': 'role: r' },
  },
  spec: { containers: [{ name: 'agent' }] },
};

const actor = {
  ...{ namespace: 'research', serviceAccount: 'reporter', pod: 'agent-7', podUid: 'uid-agent-7' },
};
const [role, task] = ['arn:aws:iam::111122223333:role/r', 'summarize'];
const EVENTS: readonly AuditEvent[] = [
  {
    ...{ kind: 'run.refused', at: NOW - 180_000, actor: { ...actor, consumer: 'agent' }, task },
    ...{ reason: 'policy_denied', message: 'denied by a/0' },
  },
  {
    ...{ kind: 'run.issued', at: NOW - 60_000, actor: { ...actor, consumer: 'agent' }, task },
    run: 'run-a',
    scope: { role, actions: ['s3:GetObject'], resources: ['*'], deadline: NOW + 300_000 },
    decision: { outcome: 'allow', policies: [], version: 'v' },
  },
  {
    // Of an earlier pod with the same name.
    ...{ kind: 'run.refused', at: NOW - 50_000, task: 'invoice', reason: 'overloaded' },
    actor: { ...actor, podUid: 'uid-before', consumer: 'helper' },
  },
];

const record = async (): Promise<string> => {
  const { sink, text } = createMemorySink();
  const recorder = await createTestRecorder({ sinks: [sink] });
  for (const event of EVENTS) await recorder.record(event);
  await recorder.close();
  return text();
};

const runTasks = async (
  words: readonly string[],
  pods: readonly Pod[],
  { cluster, ...fixture }: CliFixture = {},
) => {
  const text = await record();
  const listed: (string | undefined)[] = [];
  const listPods: ClusterClient['listPods'] = async function* (namespace) {
    listed.push(namespace);
    await Promise.resolve();
    yield* pods;
  };
  const readAuthorityLog: ClusterClient['readAuthorityLog'] = () =>
    Promise.resolve({ text, knownSince: NOW - 3_660_000 });
  const result = await runCli(['tasks', ...words], {
    ...fixture,
    cluster: { listPods, readAuthorityLog, ...cluster },
  });
  return { ...result, listed };
};

describe('tasks', () => {
  it('lists each task of each container, with its live run and last reason', async () => {
    const { code, out, listed } = await runTasks(['-n', 'research'], [buildPod('agent-7')]);
    const rows = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/));
    const arn = buildTask('summarize', ['agent']).role;
    expect(rows).toEqual([
      [
        ...['NAMESPACE', 'POD', 'CONTAINER', 'TASK', 'PROVIDER', 'DELIVERY', 'ROLE', 'LIFETIME'],
        ...['LIVE RUN', 'LAST REASON'],
      ],
      [
        ...['research', 'agent-7', 'agent', 'summarize', 'aws', 'vend', arn, '10m'],
        ...['run-a (5m)', 'policy_denied 3m ago'],
      ],
      ['research', 'agent-7', 'helper', 'summarize', 'aws', 'vend', arn, '10m', '-', '-'],
      ['research', 'agent-7', 'helper', 'invoice', 'aws', 'sign', arn, '10m', '-', '-'],
    ]);
    expect([code, listed]).toEqual([0, ['research']]);
  });

  it('asks for every namespace with -A, and else for that of the context', async () => {
    expect((await runTasks(['-A'], [])).listed).toEqual([undefined]);
    expect((await runTasks([], [])).listed).toEqual(['default']);
  });

  it('prints objects with times for scripts', async () => {
    const { out } = await runTasks(['-o', 'json'], [buildPod('agent-7')]);
    expect(JSON.parse(out)).toMatchObject({
      tasks: [
        {
          ...{ pod: 'agent-7', container: 'agent', task: 'summarize', lifetimeSeconds: 600 },
          run: { run: 'run-a', deadline: '2026-01-05T13:35:00.000Z' },
          last: { kind: 'run.refused', code: 'policy_denied', at: '2026-01-05T13:27:00.000Z' },
        },
        {},
        {},
      ],
      notAdmitted: [],
    });
  });

  it('exits with 1 for a pod whose tasks were not admitted', async () => {
    const { code, out } = await runTasks([], [declaringPod]);
    expect(out).toBe(
      'No tasks found.\nPod research/late: its tasks were not admitted: the webhook did not inject it; create it again\n',
    );
    expect(code).toBe(1);
  });

  it('exits with 4, and lists tasks, if records cannot be read', async () => {
    const error = new KubernetesError('refused', 'get log', { status: 403, reason: 'r' });
    const { code, out } = await runTasks([], [buildPod('agent-7')], {
      cluster: { readAuthorityLog: () => Promise.reject(error) },
    });
    expect(out).toContain('summarize');
    expect(out).toContain('Not read: get log: refused (status 403)\n');
    expect(code).toBe(4);
  });

  it('reads no records under trust: cluster, which has none', async () => {
    const { code, out } = await runTasks([], [buildPod('agent-7')], {
      platform: CLUSTER_PLATFORM,
      cluster: { readAuthorityLog: () => Promise.reject(new Error('must not be called')) },
    });
    expect(out).toContain('summarize');
    expect(code).toBe(0);
  });
});
