import { describe, expect, it } from '@jest/globals';

import type { Pod } from '../../lib/contract/pod.ts';
import type { Task } from '../../lib/contract/task.ts';
import { agentPod, injectPod } from '../../lib/injection/fixtures/injected-pods.ts';
import { authorityPlatform, buildTask } from '../../lib/injection/fixtures/sample-platform.ts';
import {
  buildPolicyResource,
  CLUSTER_PLATFORM,
  createHealthyCluster,
  PLATFORM,
  runCli,
} from './fixtures/cli-harness.ts';

// The tests run on 5 January 2026.
const EXCEPTION = `@id("old-client") @until("2026-03-01") @reason("rclone before 1.60")
permit (principal, action, resource == Task::"summarize");`;
const PLAIN = '@id("plain") permit (principal, action, resource);';
const ENDED = `@id("ended") @until("2026-01-04") @reason("a migration") permit (principal, action, resource);`;
const FAR = `@id("far") @until("2030-01-01") @reason("no plan yet") permit (principal, action, resource);`;

const platform = `${PLATFORM}policy: {vend: exception}\n`;
const vending = buildTask('summarize', ['agent']);
const signing: Task = { ...buildTask('invoice', ['helper']), delivery: 'sign' };

const buildPod = (name: string, tasks: readonly Task[], namespace = 'research'): Pod => {
  const pod = injectPod({ pod: agentPod, tasks, platform: authorityPlatform });
  return { ...pod, metadata: { ...pod.metadata, name, namespace } };
};

const buildCluster = (cedar: string, pods: readonly Pod[], settings = platform) => ({
  ...createHealthyCluster(settings),
  listPolicies: () => Promise.resolve([buildPolicyResource(cedar)]),
  readPod: () => Promise.resolve(pods[0]),
  listInjected: async function* () {
    await Promise.resolve();
    yield* pods;
  },
});

const runStatus = (
  cedar: string,
  pods: readonly Pod[],
  { settings = platform, words = [] as readonly string[] } = {},
) => runCli(['status', ...words], { cluster: buildCluster(cedar, pods, settings) });

describe('status while policy.vend is exception', () => {
  it('lists exceptions, and which running pods vend by which of them', async () => {
    const pods = [
      ...['a', 'b', 'c', 'd'].map((name) => buildPod(name, [vending, signing])),
      buildPod('signing', [signing]),
    ];
    const { code, out } = await runStatus(`${EXCEPTION}${PLAIN}${ENDED}${FAR}`, pods);
    expect(out).toContain(`
VEND EXCEPTION               UNTIL       STATE                    REASON
valetkey-starter/ended       2026-01-04  ended                    a migration
valetkey-starter/old-client  2026-03-01  in force                 rclone before 1.60
valetkey-starter/far         2030-01-01  more than 90 days ahead  no plan yet

TASK WITH DELIVERY VEND     PODS  NAMES    ALLOWED BY
research/default summarize  4     a b c …  valetkey-starter/old-client until 2026-03-01
`);
    expect(code).toBe(0);
  });

  it('warns of running pods whose next run is denied, and of an exception that ends within 7 days', async () => {
    const soon = ENDED.replace('01-04', '01-11').replace(
      'principal,',
      'principal in Namespace::"x",',
    );
    const { code, out } = await runStatus(soon, [buildPod('a', [vending])]);
    expect(out).toContain(`Warnings:
  valetkey-starter/ended: the exception ends on 2026-01-11; then its tasks need delivery: sign, or a later @until
  task summarize of research/default (1 pod): its next run is denied: no permit with a current @until
`);
    expect(code).toBe(0);
    const later = await runStatus(soon.replace('01-11', '01-13'), []);
    expect(later.out).not.toContain('Warnings:');
  });

  it('names the forbid that denies, and what an exception leaves undecided', async () => {
    const forbid = '@id("never") forbid (principal, action, resource);';
    const denied = await runStatus(`${EXCEPTION}${forbid}`, [buildPod('a', [vending])]);
    expect(denied.out).toContain('  a      denied by valetkey-starter/never\n');
    const daily = EXCEPTION.replace(/;$/, ' when { context.hour < 12 };');
    const open = await runStatus(daily, [buildPod('a', [vending])]);
    expect(open.out).toContain('undecided: valetkey-starter/old-client until 2026-03-01');
    const nightly = `${EXCEPTION} forbid (principal, action, resource) when { context.hour > 20 };`;
    const guarded = await runStatus(nightly, [buildPod('a', [vending])]);
    expect(guarded.out).toContain('undecided: valetkey-starter/old-client until 2026-03-01');
  });

  it('says what is unknown: labels, policies', async () => {
    const cluster = buildCluster(EXCEPTION, [buildPod('a', [vending])]);
    const reject = () => Promise.reject(new Error('no'));
    const labels = await runCli(['status'], {
      cluster: { ...cluster, readNamespaceLabels: reject },
    });
    expect(labels.out).toContain('unknown: no labels of namespace research');
    const policies = await runCli(['status'], { cluster: { ...cluster, listPolicies: reject } });
    expect(policies.out).toContain('unknown: no TaskPolicies');
  });

  it('shows empty tables, because none is expected, and the same as JSON', async () => {
    const { out } = await runStatus(PLAIN, []);
    expect(out).toContain('VEND EXCEPTION  UNTIL  STATE  REASON\nnone\n');
    const { out: json } = await runStatus(EXCEPTION, [buildPod('a', [vending])], {
      words: ['-o', 'json'],
    });
    expect(JSON.parse(json)).toMatchObject({
      vend: 'exception',
      exceptions: [
        { policy: 'valetkey-starter/old-client', until: '2026-03-01', state: 'current' },
      ],
      vending: [{ task: 'summarize', pods: ['a'], podCount: 1, outcome: 'allow' }],
    });
  });

  it('evaluates 200 tasks, prints 50, and counts the rest', async () => {
    const pods = Array.from({ length: 201 }, (_, at) => buildPod('a', [vending], `n${at}`));
    const { out } = await runStatus(EXCEPTION, pods);
    expect(out).toContain('\nand 151 more\n');
    const { out: json } = await runStatus(EXCEPTION, pods, { words: ['-o', 'json'] });
    const { vending: all } = JSON.parse(json) as { vending: { outcome: string }[] };
    expect(all.filter(({ outcome }) => outcome === 'unknown')).toHaveLength(1);
  });
});

describe('status while every permit allows vend', () => {
  it.each([
    ['policy.vend: free', PLATFORM],
    ['trust: cluster', CLUSTER_PLATFORM],
  ])('shows the pods that vend, by %s', async (why, settings) => {
    const { out } = await runStatus(PLAIN, [buildPod('a', [vending])], { settings });
    expect(out).toContain(`research/default summarize  1     a      ${why}\n`);
    expect(out).not.toContain('VEND EXCEPTION');
  });
});

describe('explain while policy.vend is exception', () => {
  const runExplain = (cedar: string, tasks: readonly Task[] = [vending]) =>
    runCli(['explain', 'a', '-n', 'research'], {
      cluster: buildCluster(cedar, [buildPod('a', tasks)]),
    });

  it('shows which permit allows a task, until when, and why', async () => {
    const { out } = await runExplain(`${EXCEPTION}${PLAIN}`);
    expect(out).toContain('  any run         allow by valetkey-starter/old-client\n');
    expect(out).toContain(
      '  vend until      2026-03-01 by valetkey-starter/old-client: rclone before 1.60\n',
    );
    expect(out).not.toContain('not counted');
  });

  it('shows the permits that do not count, and why', async () => {
    const { out, code } = await runExplain(`${PLAIN}${ENDED}${FAR}`);
    expect(out).toContain('  any run         deny\n');
    expect(out).toContain(
      `  not counted     valetkey-starter/ended has @until("2026-01-04"), ended
                  valetkey-starter/far has @until("2030-01-01"), more than 90 days ahead
                  valetkey-starter/plain has no valid @until and @reason
`,
    );
    expect(out).not.toContain('vend until');
    expect(code).toBe(1);
  });

  it('names no permit that would not allow the task either', async () => {
    const { out } = await runExplain(`${PLAIN} @id("never") forbid (principal, action, resource);`);
    expect(out).toContain('deny by valetkey-starter/never');
    expect(out).not.toContain('not counted');
  });

  it('shows nothing of exceptions for a task with delivery sign', async () => {
    const { out } = await runExplain(PLAIN, [signing]);
    expect(out).toContain('  any run         allow by valetkey-starter/plain\n');
    expect(out).not.toMatch(/vend until|not counted/);
  });
});

describe('lint while policy.vend is exception', () => {
  const manifest = `apiVersion: v1
kind: Pod
metadata:
  name: agent
  namespace: research
  annotations:
    task.valetkey.dev/summarize: |
      role: arn:aws:iam::111122223333:role/agent-reports
      lifetime: 10m
      allow: [{actions: [s3:GetObject], resources: ["arn:aws:s3:::acme/*"]}]
spec:
  securityContext: {runAsNonRoot: true}
  containers: [{name: agent, image: "registry.example/agent:1"}]
---
apiVersion: v1
kind: Namespace
metadata: {name: research, labels: {valetkey.dev/tasks: allowed}}
`;
  const buildPolicy = (cedar: string): string =>
    `apiVersion: valetkey.dev/v1alpha1
kind: TaskPolicy
metadata: {name: team}
spec:
  cedar: |
    ${cedar.split('\n').join('\n    ')}
`;
  const runLint = (cedar: string, settings = platform) =>
    runCli(['lint', '--platform', 'p.yaml', '--policy', 'x.yaml', 'a.yaml', 'x.yaml'], {
      files: { 'p.yaml': settings, 'x.yaml': buildPolicy(cedar), 'a.yaml': manifest },
    });

  it('reports a task that only a permit without @until allows, as admission does', async () => {
    const { out } = await runLint(PLAIN);
    expect(out).toContain('a.yaml:1:1: document 1, Pod research/agent: ');
    expect(out).toContain('use delivery: sign');
    expect((await runLint(EXCEPTION)).out).not.toContain('use delivery: sign');
  });

  it('reports an exception that the webhook refuses, at its line in the file', async () => {
    const { out, code } = await runLint(`${PLAIN}\n${FAR}`);
    expect(out).toContain(
      'x.yaml:7:16: document 1, TaskPolicy team: line 2, column 12: expected @until("2026-04-05") or earlier, at most 90 days ahead, got @until("2030-01-01")',
    );
    expect(code).toBe(1);
  });

  it('warns of an exception without effect', async () => {
    expect((await runLint(ENDED)).out).toContain('team/ended: @until("2026-01-04") is in the past');
    expect((await runLint(EXCEPTION, PLATFORM)).out).toContain('while policy.vend is free');
  });
});
