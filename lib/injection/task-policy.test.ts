import { describe, expect, it } from '@jest/globals';

import { createCatalogLoader } from '../catalog/catalog.ts';
import { evaluateAdmissionPolicy } from '../policy/admission-decision.ts';
import { compilePolicies } from '../policy/compiled-policies.ts';
import type { Task } from '../contract/task.ts';
import { parseStoredUpstreams } from '../upstreams/stored-upstreams.ts';
import { formatFieldError } from '../schema/field-error.ts';
import { authorityPlatform, buildTask } from './fixtures/sample-platform.ts';
import { createTaskPolicyEvaluator, type TaskPolicyDeps } from './task-policy.ts';

const run = '(principal, action == Action::"run", resource)';
const POLICIES = [
  {
    name: 'research',
    cedar: `@id("reports")
permit ${run} when {
  principal.namespace.hasTag("team") && principal.namespace.getTag("team") == "research" &&
  context.resource like "arn:aws:s3:::acme-data/reports/*"
};`,
  },
];
const FORBID = { name: 'night', cedar: `@id("off")\nforbid ${run} when { context.hour < 6 };` };

const loadCatalog = createCatalogLoader();

const evaluateTestTasks = (
  changes: Partial<TaskPolicyDeps> = {},
  request: { namespace?: string; tasks?: readonly ReturnType<typeof buildTask>[] } = {},
) => {
  const { authority } = authorityPlatform;
  if (authority === undefined) throw new Error('no authority');
  return createTaskPolicyEvaluator({
    platform: authorityPlatform,
    authority,
    readPolicies: () => compilePolicies(POLICIES),
    now: () => Date.UTC(2026, 0, 5, 13, 30),
    readNamespaceLabels: () => Promise.resolve({ team: 'research' }),
    evaluateTask: (policies, task) => evaluateAdmissionPolicy({ policies, loadCatalog }, task),
    ...changes,
  })({
    namespace: 'research',
    serviceAccount: 'agent',
    tasks: [buildTask('summarize', ['agent'])],
    ...request,
  });
};

const listLines = async (
  result: ReturnType<typeof evaluateTestTasks>,
): Promise<readonly string[]> => (await result).faults.map(formatFieldError);

describe('createTaskPolicyEvaluator', () => {
  describe('for policies about calls', () => {
    const forbid = '@id("no-writes") forbid (principal, action == Action::"call", resource)';
    const evaluate = (delivery: Task['delivery'], condition: string) =>
      evaluateTestTasks(
        {
          readPolicies: () =>
            compilePolicies([
              { name: 'a', cedar: `permit ${run}; ${forbid} when { ${condition} };` },
            ]),
        },
        { tasks: [{ ...buildTask('summarize', ['agent']), delivery }] },
      );

    it('warns that runs are refused with delivery vend', async () => {
      const { faults, warnings } = await evaluate('vend', 'context.action == "s3:PutObject"');
      expect(faults).toEqual([]);
      expect(warnings).toEqual([expect.stringMatching(/a\/no-writes.*delivery: sign/)]);
      expect(warnings[0]).toContain('call_needs_sign');
    });

    it.each([
      ['delivery sign', 'sign', 'context.action == "s3:PutObject"'],
      ['policies about others', 'vend', 'principal.serviceAccount == "other"'],
    ] as const)('says nothing with %s', async (_, delivery, condition) => {
      expect(await evaluate(delivery, condition)).toEqual({ faults: [], warnings: [] });
    });
  });

  describe('for tasks of provider http', () => {
    const chat: Task = {
      ...buildTask('chat', ['agent']),
      ...{ provider: 'http', role: 'model-api', delivery: 'sign' },
      allow: [{ actions: ['http:POST'], resources: ['https://api.example.com/v1/*'] }],
    };
    const readUpstreams = () =>
      parseStoredUpstreams([
        {
          metadata: { name: 'model-api' },
          spec: {
            url: 'https://api.example.com',
            present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
            secret: { kubernetes: { name: 'key', key: 'token' } },
          },
        },
      ]);
    const readPolicies = () =>
      compilePolicies([
        { name: 'a', cedar: `permit ${run} when { context.accessLevels == ["Write"] };` },
      ]);

    it('evaluates them with the level that their Upstream assigns', async () => {
      const result = evaluateTestTasks({ readPolicies, readUpstreams }, { tasks: [chat] });
      expect(await result).toEqual({ faults: [], warnings: [] });
    });

    it('refuses an Upstream that does not exist, with the nearest name', async () => {
      const tasks = [{ ...chat, role: 'model-apl' }];
      expect(
        await listLines(evaluateTestTasks({ readPolicies, readUpstreams }, { tasks })),
      ).toEqual([
        'task.valetkey.dev/chat role: expected the name of an Upstream of this cluster; the nearest is model-api, got "model-apl"',
      ]);
    });

    it('refuses them while the Upstreams are not known', async () => {
      const unknown = { readPolicies, readUpstreams: () => ({ unknown: 'not listed yet' }) };
      expect(await listLines(evaluateTestTasks(unknown, { tasks: [chat] }))).toEqual([
        'task.valetkey.dev/chat role: expected Upstreams that can be read: try again, got not listed yet (rule policy)',
      ]);
    });

    it('warns where there is no cluster to ask for Upstreams', async () => {
      const { faults, warnings } = await evaluateTestTasks({ readPolicies }, { tasks: [chat] });
      expect([faults, warnings]).toEqual([[], [expect.stringContaining('task chat')]]);
    });
  });

  it('admits tasks that a policy permits in every case', async () => {
    expect(await evaluateTestTasks()).toEqual({ faults: [], warnings: [] });
  });

  it('refuses tasks that no policy permits, with the action and the resource', async () => {
    const task = buildTask('summarize', ['agent']);
    const allow = [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/*'] }];
    const lines = await listLines(evaluateTestTasks({}, { tasks: [{ ...task, allow }] }));
    expect(lines).toEqual([
      'task.valetkey.dev/summarize (policy): expected what TaskPolicies permit, got s3:GetObject on arn:aws:s3:::acme-data/*: no policy permits it (rule policy)',
    ]);
  });

  it('evaluates the labels of the namespace', async () => {
    const readNamespaceLabels = (name: string) =>
      Promise.resolve(name === 'research' ? { team: 'research' } : {});
    const both = { readNamespaceLabels };
    expect(await listLines(evaluateTestTasks(both))).toEqual([]);
    expect(await listLines(evaluateTestTasks(both, { namespace: 'other' }))).toHaveLength(1);
  });

  it('refuses tasks that a policy forbids, with the name of the policy', async () => {
    const forbid = { name: 'none', cedar: `@id("at-all")\nforbid ${run};` };
    const readPolicies = () => compilePolicies([...POLICIES, forbid]);
    expect(await listLines(evaluateTestTasks({ readPolicies }))).toEqual([
      expect.stringContaining('forbidden by none/at-all'),
    ]);
  });

  it('admits tasks with a warning if the decision depends on unknown values', async () => {
    const readPolicies = () => compilePolicies([...POLICIES, FORBID]);
    const { faults, warnings } = await evaluateTestTasks({ readPolicies });
    expect(faults).toEqual([]);
    expect(warnings).toEqual([
      expect.stringMatching(/^task summarize may be denied when a run starts: .*night\/off/),
    ]);
  });

  it('refuses tasks if there is no policy, and says what to do', async () => {
    const lines = await listLines(evaluateTestTasks({ readPolicies: () => compilePolicies([]) }));
    expect(lines).toEqual([
      expect.stringMatching(/policy\.starter\.enabled=true.*\(rule policy\)$/),
    ]);
  });

  it('refuses tasks while a policy is invalid, with the name of the policy', async () => {
    const readPolicies = () => compilePolicies([...POLICIES, { name: 'broken', cedar: 'permit' }]);
    expect(await listLines(evaluateTestTasks({ readPolicies }))).toEqual([
      expect.stringContaining('broken'),
    ]);
  });

  it('refuses tasks while the policies or the labels of the namespace are not known', async () => {
    const readPolicies = () => ({
      unknown: 'the API server sent no update of the policies for 301 s',
    });
    expect(await listLines(evaluateTestTasks({ readPolicies }))).toEqual([
      'TaskPolicies: expected policies that can be read, got the API server sent no update of the policies for 301 s (rule policy)',
    ]);
    for (const readNamespaceLabels of [
      () => Promise.reject(new Error('down')),
      () => Promise.resolve(undefined),
    ]) {
      expect(await listLines(evaluateTestTasks({ readNamespaceLabels }))).toEqual([
        expect.stringMatching(/^Namespace research: .*try again.*\(rule policy\)$/),
      ]);
    }
  });

  it('refuses tasks whose session policy leaves too little for the session tags', async () => {
    const task = buildTask('t', ['agent']);
    const resources = ['x', 'y'].map(
      (key) => `arn:aws:s3:::acme-data/reports/${key.repeat(700)}/*`,
    );
    const wide = { ...task, allow: [{ actions: ['s3:GetObject'], resources }] };
    const lines = await listLines(evaluateTestTasks({}, { tasks: [wide] }));
    expect(lines).toEqual([
      expect.stringMatching(/^task.valetkey.dev\/t allow: expected .* that STS can pack: /),
    ]);
  });

  it('refuses tasks whose SPIFFE ID is too long for a grant', async () => {
    const authority = { trustDomain: 'a'.repeat(128), tagParams: [] };
    const tasks = [buildTask('t', ['agent']), buildTask('t'.repeat(63), ['agent'])];
    const lines = await listLines(
      evaluateTestTasks({ authority }, { namespace: 'n'.repeat(63), tasks }),
    );
    expect(lines).toEqual([
      expect.stringMatching(
        new RegExp(
          `^task.valetkey.dev/${'t'.repeat(63)} sub: .*255 characters.*got 28\\d characters`,
        ),
      ),
    ]);
  });
});
