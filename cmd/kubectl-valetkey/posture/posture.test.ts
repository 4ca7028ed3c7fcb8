import { describe, expect, it } from '@jest/globals';

import type { AuditEvent } from '../../../lib/audit/audit-event.ts';
import {
  createMemorySink,
  createTestRecorder,
  key,
} from '../../../lib/audit/fixtures/recording.ts';
import { renderHead } from '../../../lib/audit/heads.ts';
import { createCallJournal } from '../../../lib/calls/journal.ts';
import { AUDIT_HEADS_CONFIG_MAP, type CallHead } from '../../../lib/contract/authority-api.ts';
import type { Pod } from '../../../lib/contract/pod.ts';
import type { Task } from '../../../lib/contract/task.ts';
import { agentPod, injectPod } from '../../../lib/injection/fixtures/injected-pods.ts';
import { authorityPlatform, buildTask } from '../../../lib/injection/fixtures/sample-platform.ts';
import { createFakeTime } from '../../../lib/runs/fixtures/fake-time.ts';
import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import type { ClusterClient } from '../cluster.ts';
import {
  buildPolicyResource,
  CLUSTER_PLATFORM,
  createHealthyCluster,
  readFixture,
  runCli,
} from '../fixtures/cli-harness.ts';
import { POSTURE_CODES } from './posture-report.ts';

/** The clock of the fixtures. */
const NOW = Date.parse('2026-01-05T13:30:00Z');
const HOUR = 3_600_000;
const REPLICA = 'valetkey-authority-0';

const report: Task = {
  ...buildTask('report', ['agent']),
  delivery: 'sign',
  allow: [
    {
      actions: ['s3:GetObject', 's3:PutObject'],
      resources: ['arn:aws:s3:::acme-data/reports/*', 'arn:aws:s3:::acme-data/drafts/*'],
    },
  ],
};
const archive: Task = { ...report, name: 'archive' };
const vended: Task = { ...buildTask('vended', ['agent']) };

const buildPod = (tasks: readonly Task[], name = 'agent-7'): Pod => {
  const pod = injectPod({ pod: agentPod, tasks, platform: authorityPlatform });
  const metadata = {
    ...{ ...pod.metadata, name, uid: `uid-${name}`, namespace: 'research' },
    creationTimestamp: '2026-01-01T08:00:00Z',
  };
  return { ...pod, metadata, spec: { ...pod.spec, serviceAccountName: 'reporter' } };
};

const actor = {
  ...{ namespace: 'research', serviceAccount: 'reporter', pod: 'agent-1' },
  ...{ podUid: 'uid-before', consumer: 'agent' },
};

const issue = (run: string, task: string, at = NOW - HOUR, role = report.role): AuditEvent => ({
  ...{ kind: 'run.issued', at, actor, run, task },
  scope: { role, actions: [], resources: [], deadline: at + 600_000 },
  decision: { outcome: 'allow', policies: ['valetkey-starter/0'], version: 'v' },
});

type UsedCall = readonly [action: string, resource: string];

/** What the journal of a sidecar reports of a run with these calls. */
const reportCalls = async (
  run: string,
  calls: readonly UsedCall[],
): Promise<readonly CallHead[]> => {
  const time = createFakeTime();
  const heads: CallHead[] = [];
  const journal = createCallJournal(
    { journalLinesPerSecond: 1_000, journalResources: 'full' },
    { ...time, write: (_, done) => done(), report: (each) => heads.push(each.calls) },
  );
  for (const [action, resource] of calls) {
    journal.record({
      ...{ id: 'r', consumer: 'agent', task: 'report', run, permissions: [{ action, resource }] },
      ...{ isResolved: true, outcome: 'allowed', status: 200, bytesIn: 0, bytesOut: 1, ms: 1 },
      overheadMs: 1,
    });
  }
  journal.endRun(run);
  await time.advance(1_000);
  journal.close();
  return heads;
};

/** A run as its records show it: issued, used, expired. */
const useRun = async (
  run: string,
  calls: readonly UsedCall[],
  { task = 'report', at = NOW - HOUR } = {},
): Promise<readonly AuditEvent[]> => [
  issue(run, task, at),
  ...(await reportCalls(run, calls)).map((head): AuditEvent => ({
    ...{ kind: 'run.calls', at: at + 592_000, actor, run, calls: head },
  })),
];

const READ: UsedCall = ['s3:GetObject', 'arn:aws:s3:::acme-data/reports/2026/may.csv'];
const WRITE: UsedCall = ['s3:PutObject', 'arn:aws:s3:::acme-data/drafts/may.csv'];

const recordEvents = async (events: readonly AuditEvent[], replica = REPLICA) => {
  const { sink, text } = createMemorySink();
  const recorder = await createTestRecorder({ sinks: [sink], replica });
  for (const event of events) await recorder.record(event);
  await recorder.close();
  return { text: text(), heads: { [replica]: renderHead(recorder.head()) } };
};

type Fixture = {
  readonly pods?: readonly Pod[];
  readonly cluster?: Partial<ClusterClient>;
  readonly platform?: string;
  /** Changes the audit file. */
  readonly edit?: (text: string) => string;
  /** Further published heads. */
  readonly heads?: Readonly<Record<string, string>>;
};

const runPosture = async (
  events: readonly AuditEvent[],
  words: readonly string[] = [],
  { pods = [buildPod([report])], cluster, platform, edit = (text) => text, ...more }: Fixture = {},
) => {
  const recorded = await recordEvents(events);
  const data = { ...recorded.heads, ...more.heads, 'public-keys.pem': key.publicKey };
  const listed: (string | undefined)[] = [];
  const listPods: ClusterClient['listPods'] = async function* (namespace) {
    listed.push(namespace);
    await Promise.resolve();
    yield* pods;
  };
  const others = createHealthyCluster(platform);
  const result = await runCli(['posture', ...words, 'a.jsonl'], {
    ...(platform !== undefined && { platform }),
    files: { 'a.jsonl': edit(recorded.text) },
    cluster: {
      listPods,
      listPolicies: () =>
        Promise.resolve([buildPolicyResource('permit (principal, action, resource);')]),
      readConfigMap: (name) =>
        name === AUDIT_HEADS_CONFIG_MAP ? Promise.resolve(data) : others.readConfigMap(name),
      ...cluster,
    },
  });
  return { ...result, listed };
};

type Output = {
  readonly missing: readonly string[];
  readonly tasks: readonly {
    readonly task: string;
    readonly state: string;
    readonly reasons: readonly string[];
    readonly isIncomplete: boolean;
    readonly rights: readonly { action: string; resource: string; state: string }[];
    readonly smallerAllow?: object;
  }[];
  readonly upstreams: readonly object[];
  readonly permits: readonly object[];
  readonly findings: readonly { severity: string; code: string; object: string; message: string }[];
};

const readPosture = async (...[events, words = [], fixture]: Parameters<typeof runPosture>) => {
  const { out, error, code } = await runPosture(events, ['-o', 'json', ...words], fixture);
  if (out === '') throw new Error(error);
  const output = JSON.parse(out) as Output;
  const states = output.tasks[0]?.rights.map(({ state }) => state);
  return { ...output, code, states, codes: output.findings.map((each) => each.code) };
};

describe('posture', () => {
  it('prints SARIF with a rule for each code, and the severity as the level', async () => {
    const events = [...(await useRun('run-a', [READ])), ...(await useRun('run-b', [WRITE]))];
    const { out } = await runPosture(events, ['-o', 'sarif']);
    type Log = {
      readonly runs: readonly {
        readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } };
        readonly results: readonly object[];
      }[];
    };
    const [run] = (JSON.parse(out) as Log).runs;
    expect(run?.tool.driver.rules.map(({ id }) => id)).toEqual(Object.keys(POSTURE_CODES));
    expect(run?.results).toContainEqual(
      expect.objectContaining({
        ...{ ruleId: 'right_unused', ruleIndex: 0, level: 'warning' },
        locations: [
          expect.objectContaining({
            logicalLocations: [{ fullyQualifiedName: 'task research/reporter report' }],
          }),
        ],
      }),
    );
  });

  it('reports the rights that no run used, and the annotation without them', async () => {
    const events = [...(await useRun('run-a', [READ])), ...(await useRun('run-b', [WRITE]))];
    const { code, out } = await runPosture(events);
    expect(out).toContain('Records from 2025-12-06T13:30:00.000Z to 2026-01-05T13:30:00.000Z\n');
    expect(out).toMatch(/^research\/reporter report +sign +1 +2 +0 +60m ago +2 +2 +0 +complete$/m);
    expect(out).toContain(
      'warning: right_unused: task research/reporter report: s3:PutObject on arn:aws:s3:::acme-data/reports/*: used by none of 2 runs\n',
    );
    expect(out).toContain(`
Task research/reporter report: task.valetkey.dev/report without the unused rights:
  allow:
    - actions: ["s3:GetObject"]
      resources: ["arn:aws:s3:::acme-data/reports/*"]
    - actions: ["s3:PutObject"]
      resources: ["arn:aws:s3:::acme-data/drafts/*"]
`);
    expect(out).toMatch(/\ntasks: 1, incomplete: 0, warnings: 2, notes: 0\n$/);
    expect(code).toBe(1);
  });

  it('exits with 0 if every right was used', async () => {
    const all = [...report.allow].flatMap(({ actions, resources }) =>
      actions.flatMap((action) =>
        resources.map((resource): UsedCall => [action, resource.replace('*', 'a.csv')]),
      ),
    );
    const { code, codes } = await readPosture(await useRun('run-a', all));
    expect([code, codes]).toEqual([0, []]);
  });

  it('reports tasks without runs, and those that records name and no pod declares', async () => {
    const events = await useRun('run-a', [READ], { task: 'gone' });
    const { code, out } = await runPosture(events, [], { pods: [buildPod([archive])] });
    expect(out).toContain(
      'warning: task_never_run: task research/reporter archive: no run since 2025-12-06T13:30:00.000Z; its oldest pod is of 2026-01-01T08:00:00.000Z\n',
    );
    expect(out).toContain(
      'Task research/reporter gone: 1 run, the last 60m ago; no pod declares it now\n',
    );
    expect(code).toBe(1);
  });

  it('does not expect runs of a canary', async () => {
    const { codes } = await readPosture([], [], {
      pods: [buildPod([{ ...archive, canary: true }])],
      cluster: { listPolicies: () => Promise.resolve([]) },
    });
    expect(codes).toEqual([]);
  });

  it('says unknown of calls with vended keys, which no record shows', async () => {
    const events = [issue('run-v', 'vended')];
    const found = await readPosture(events, [], { pods: [buildPod([vended])] });
    expect(found).toMatchObject({
      ...{ states: ['unknown'], codes: [], code: 0 },
      tasks: [{ state: 'used', isIncomplete: false, reasons: [expect.stringContaining('vend')] }],
    });
  });

  it('takes a run without calls as one, because its sidecar reports that', async () => {
    const { states, code } = await readPosture(await useRun('run-a', []));
    expect([states, code]).toEqual([['unused', 'unused', 'unused', 'unused'], 1]);
    const { out } = await runPosture(await useRun('run-a', []));
    expect(out).toContain('no right was used; remove task.valetkey.dev/report\n');
  });

  it('does not count live runs, and says unknown if there is no other', async () => {
    const live = issue('run-l', 'report', NOW - 60_000);
    const { tasks, states } = await readPosture([live]);
    expect(tasks).toMatchObject([{ runs: 0, live: 1, reasons: ['no run has ended yet'] }]);
    expect(new Set(states)).toEqual(new Set(['unknown']));
    const both = await readPosture([...(await useRun('run-a', [READ])), live]);
    expect(both.states).toEqual(['used', 'unused', 'unused', 'unused']);
  });

  it('leaves out a task of another service account with the same name', async () => {
    const [issued, ...calls] = await useRun('run-a', [READ]);
    const other = { ...issued, actor: { ...actor, serviceAccount: 'other' } } as AuditEvent;
    expect((await readPosture([other, ...calls])).codes).toEqual(['task_never_run']);
  });

  it('reads one namespace with -n, without what the whole cluster shares', async () => {
    const fail = () => Promise.reject(new Error('must not be called'));
    const cluster = { listPolicies: fail, listUpstreams: fail };
    const words = ['-n', 'research', '-o', 'json'];
    const { out, listed } = await runPosture(await useRun('run-a', [READ]), words, { cluster });
    expect(JSON.parse(out)).toMatchObject({ upstreams: [], permits: [], problems: [] });
    expect(listed).toEqual(['research']);
  });

  it('reports permits that determined no decision, and no forbid', async () => {
    const cedar = `@id("used") permit (principal, action, resource);
@id("idle") permit (principal in Namespace::"sales", action == Action::"run", resource);
@id("guard") forbid (principal, action == Action::"run", resource) when { context.lifetimeSeconds > 9000 };
@id("legacy") @until("2026-01-20") @reason("no gateway yet") permit (principal, action == Action::"run", resource == Task::"old");`;
    const listPolicies = () => Promise.resolve([buildPolicyResource(cedar)]);
    const events = await useRun('run-a', [READ]);
    const issued = events.map((event) => ({
      ...event,
      ...(event.decision && {
        decision: { ...event.decision, policies: ['valetkey-starter/used'] },
      }),
    }));
    const { permits, findings } = await readPosture(issued, [], { cluster: { listPolicies } });
    expect(permits).toEqual([
      { policy: 'valetkey-starter/used', state: 'used' },
      { policy: 'valetkey-starter/idle', state: 'unused' },
      { policy: 'valetkey-starter/legacy', state: 'unused' },
    ]);
    expect(findings).toContainEqual({
      ...{ severity: 'note', code: 'vend_exception', object: 'policy valetkey-starter/legacy' },
      message: '@until("2026-01-20"), in force, not used: no gateway yet',
    });
  });

  it('reports Upstreams without runs, and tools that are not pinned', async () => {
    const buildUpstream = (name: string) => ({
      metadata: { name, uid: name, resourceVersion: '1' },
      spec: { url: `https://${name}.example/mcp`, protocol: 'mcp' },
    });
    const listUpstreams = () => Promise.resolve([buildUpstream('wiki'), buildUpstream('idle')]);
    const search: Task = {
      ...{ ...report, name: 'search', provider: 'http', role: 'wiki' },
      allow: [{ actions: ['mcp:tools/call'], resources: ['mcp://wiki/tools/find*'] }],
    };
    const events = [issue('run-w', 'search', NOW - HOUR, 'wiki')];
    const fixture = { pods: [buildPod([search])], cluster: { listUpstreams } };
    const { upstreams, findings } = await readPosture(events, [], fixture);
    expect(upstreams).toEqual([
      { name: 'idle', state: 'unused' },
      { name: 'wiki', state: 'used' },
    ]);
    expect(findings).toMatchObject([
      {
        ...{ code: 'upstream_unused', object: 'Upstream idle' },
        message: expect.stringMatching(/, and no pod has a task for it$/),
      },
      { code: 'tool_unpinned', message: 'Upstream wiki pins no tools; the task names find*' },
    ]);
  });

  it('reports pods whose UID is a key, as a note', async () => {
    const single = { ...agentPod, spec: { ...agentPod.spec, initContainers: [] } };
    const containers = [{ name: 'agent', image: 'agent:1' }];
    const chat: Task = {
      ...{ ...report, name: 'chat', provider: 'http', role: 'model', client: 'openai' },
      allow: [{ actions: ['http:POST'], resources: ['https://model.example/v1/chat'] }],
    };
    const injected = injectPod({
      ...{ tasks: [chat], platform: authorityPlatform },
      pod: {
        ...single,
        metadata: { name: 'agent-9', namespace: 'research', annotations: {} },
        spec: { ...single.spec, containers },
      },
    });
    const listed = await readPosture([], ['--failure-threshold', 'note'], { pods: [injected] });
    expect(listed.findings).toContainEqual(
      expect.objectContaining({
        severity: 'note',
        code: 'fixed_key',
        object: 'Pod research/agent-9',
      }),
    );
  });

  it('fails on notes only with the threshold', async () => {
    const cedar = `@until("2026-01-20") @reason("r") permit (principal, action, resource);`;
    const listPolicies = () => Promise.resolve([buildPolicyResource(cedar)]);
    const fixture = { pods: [], cluster: { listPolicies } };
    const events = [issue('run-a', 'gone')];
    expect((await readPosture(events, [], fixture)).code).toBe(0);
    expect((await readPosture(events, ['--failure-threshold', 'note'], fixture)).code).toBe(1);
  });

  it('rejects trust: cluster, which has no records', async () => {
    const { code, error } = await runPosture([], [], { platform: CLUSTER_PLATFORM });
    expect(error).toContain('trust: expected authority');
    expect(code).toBe(1);
  });
});

describe('docs/posture.md', () => {
  const page = readFixture('docs/posture.md');

  it('shows what the command prints', async () => {
    const events = [
      ...(await useRun('run-a', [READ, WRITE])),
      ...(await useRun('run-b', [READ], { at: NOW - 2 * HOUR })),
      issue('run-v', 'vended', NOW - 3 * HOUR),
      ...(await useRun('run-c', [READ], { task: 'publish' })).slice(0, 1),
    ];
    const pods = [buildPod([report, vended, archive, { ...report, name: 'publish' }])];
    const { out, code } = await runPosture(events, ['--since', '7d'], { pods });
    const shown = out.replace(/^(?=.)/gm, '   ');
    expect(page).toContain(`\`\`\`\n${shown}   \`\`\`\n`);
    expect(code).toBe(1);
  });

  it('lists each code with its severity', () => {
    const rows = Array.from(page.matchAll(/^\| `(\w+)` +\| (\w+) +\|/gm), ([, ...row]) => row);
    expect(rows).toEqual(Object.entries(POSTURE_CODES));
  });
});

describe('posture with missing records', () => {
  const expectIncomplete = ({
    tasks,
    states,
    codes,
    code,
  }: Awaited<ReturnType<typeof readPosture>>) => {
    expect(states).not.toContain('unused');
    expect(tasks[0]?.isIncomplete).toBe(true);
    expect([codes, code]).toEqual([[], 4]);
  };

  it('is incomplete for a run without a record of its calls', async () => {
    const [issued] = await useRun('run-b', []);
    const events = [...(await useRun('run-a', [READ])), issued].filter(
      (each) => each !== undefined,
    );
    const found = await readPosture(events);
    expectIncomplete(found);
    expect(found.tasks[0]?.reasons).toEqual(['1 run without a record of all calls']);
    expect(found.states?.[0]).toBe('used');
  });

  it('is incomplete if the last record of calls is from before the end of the run', async () => {
    const events = (await useRun('run-a', [READ])).map((event) =>
      event.kind === 'run.calls' ? { ...event, at: NOW - HOUR + 300_000 } : event,
    );
    expectIncomplete(await readPosture(events));
    const ended = { kind: 'run.ended', run: 'run-a', actor, reason: 'completed' } as const;
    const { states } = await readPosture([...events, { ...ended, at: NOW - HOUR + 299_000 }]);
    expect(states).toContain('unused');
  });

  it('is incomplete if the records of calls do not join', async () => {
    const events = (await useRun('run-a', [READ, READ])).map((event) =>
      event.calls === undefined ? event : { ...event, calls: { ...event.calls, from: 1 } },
    );
    expectIncomplete(await readPosture(events));
  });

  it('is incomplete if a run used more than its records list', async () => {
    const many = Array.from({ length: 70 }, (_, at): UsedCall => [
      's3:GetObject',
      `arn:aws:s3:::acme-data/reports/${at}`,
    ]).map(([action], at): UsedCall => [action, `arn:aws:s3:::bucket-${at}/a/b`]);
    const found = await readPosture(await useRun('run-a', many));
    expectIncomplete(found);
    expect(found.tasks[0]?.reasons).toEqual(['1 run that used more than the records list']);
  });

  it.each<readonly [string, (text: string) => string, RegExp]>([
    [
      'a record is missing',
      (text) =>
        text
          .split('\n')
          .filter((line) => !line.includes('"run.issued"'))
          .join('\n'),
      /a\.jsonl:\d+: gap: expected record 1/,
    ],
    [
      'a record was changed',
      (text) => text.replace('"reporter', '"changed').replace(':reporter', ':changed'),
      /modified/,
    ],
    [
      'the records begin later',
      (text) => text.split('\n').slice(2).join('\n'),
      /^records of valetkey-authority-0\.\S+ before 2026-01-0/,
    ],
  ])('is incomplete if %s', async (_, edit, missing) => {
    const found = await readPosture(await useRun('run-a', [READ]), [], { edit });
    expectIncomplete(found);
    expect(found.missing[0]).toMatch(missing);
  });

  it('is incomplete without the records of a replica', async () => {
    const { heads } = await recordEvents([], 'valetkey-authority-1');
    const found = await readPosture(await useRun('run-a', [READ]), [], { heads });
    expectIncomplete(found);
    expect(found.missing[0]).toMatch(/^no records of valetkey-authority-1 /);
  });

  it('ends where the records of one replica end', async () => {
    const { out } = await runPosture(
      [...(await useRun('run-a', [READ])), ...(await useRun('run-b', [WRITE]))],
      [],
      { edit: (text) => `${text.split('\n').slice(0, 3).join('\n')}\n` },
    );
    expect(out).toContain('to 2026-01-05T12:39:52.000Z\n');
  });

  it('exits with 4 if policies cannot be read, and reports the rest', async () => {
    const error = new KubernetesError('refused', 'list taskpolicies', { status: 403, reason: 'r' });
    const cluster = { listPolicies: () => Promise.reject(error) };
    const { code, out } = await runPosture([issue('run-v', 'vended')], [], {
      ...{ cluster, pods: [buildPod([vended])] },
    });
    expect(out).toContain('Not read: list taskpolicies: refused (status 403)\n');
    expect(out).toMatch(/research\/reporter vended .* calls unknown\n/);
    expect(code).toBe(4);
  });
});
