import { describe, expect, test } from '@jest/globals';

import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import { authorityPlatform, buildTask } from '../../lib/injection/fixtures/sample-platform.ts';
import { compilePolicies } from '../../lib/policy/compiled-policies.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';
import { createTaskChecker, type TaskCheckDeps } from './task-judgement.ts';

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

const checkTestPod = (
  changes: Partial<TaskCheckDeps> = {},
  asked: { namespace?: string; tasks?: readonly ReturnType<typeof buildTask>[] } = {},
) => {
  const { authority } = authorityPlatform;
  if (authority === undefined) throw new Error('no authority');
  return createTaskChecker({
    platform: authorityPlatform,
    authority,
    policies: { current: () => compilePolicies(POLICIES) },
    readNamespaceLabels: () => Promise.resolve({ team: 'research' }),
    loadCatalog: createCatalogLoader(),
    ...changes,
  })({
    namespace: 'research',
    serviceAccount: 'agent',
    tasks: [buildTask('summarize', ['agent'])],
    ...asked,
  });
};

const listLines = async (judgement: ReturnType<typeof checkTestPod>): Promise<readonly string[]> =>
  (await judgement).faults.map(formatFieldError);

describe('the tasks of a new pod', () => {
  test('that policy permits, whatever is not known yet, are welcome', async () => {
    expect(await checkTestPod()).toEqual({ faults: [], warnings: [] });
  });

  test('that no policy permits are refused with what was asked', async () => {
    const task = buildTask('summarize', ['agent']);
    const allow = [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/*'] }];
    const lines = await listLines(checkTestPod({}, { tasks: [{ ...task, allow }] }));
    expect(lines).toEqual([
      'task.valetkey.dev/summarize (policy): expected what TaskPolicies permit, got s3:GetObject on arn:aws:s3:::acme-data/*: no policy permits it (rule policy)',
    ]);
  });

  test('are decided by the labels of their namespace', async () => {
    const readNamespaceLabels = (name: string) =>
      Promise.resolve(name === 'research' ? { team: 'research' } : {});
    const both = { readNamespaceLabels };
    expect(await listLines(checkTestPod(both))).toEqual([]);
    expect(await listLines(checkTestPod(both, { namespace: 'other' }))).toHaveLength(1);
  });

  test('that a policy forbids are refused with its name', async () => {
    const forbid = { name: 'none', cedar: `@id("at-all")\nforbid ${run};` };
    const current = () => compilePolicies([...POLICIES, forbid]);
    expect(await listLines(checkTestPod({ policies: { current } }))).toEqual([
      expect.stringContaining('forbidden by none/at-all'),
    ]);
  });

  test('that hang on what is not known yet are let in with a warning', async () => {
    const current = () => compilePolicies([...POLICIES, FORBID]);
    const { faults, warnings } = await checkTestPod({ policies: { current } });
    expect(faults).toEqual([]);
    expect(warnings).toEqual([
      expect.stringMatching(/^task summarize may be denied when a run starts: .*night\/off/),
    ]);
  });

  test('are refused where there is no policy, with what to do', async () => {
    const lines = await listLines(
      checkTestPod({ policies: { current: () => compilePolicies([]) } }),
    );
    expect(lines).toEqual([
      expect.stringMatching(/policy\.starter\.enabled=true.*\(rule policy\)$/),
    ]);
  });

  test('are refused while one policy is invalid, by its name', async () => {
    const current = () => compilePolicies([...POLICIES, { name: 'broken', cedar: 'permit' }]);
    expect(await listLines(checkTestPod({ policies: { current } }))).toEqual([
      expect.stringContaining('broken'),
    ]);
  });

  test('are refused while policies, or the labels of the namespace, are not known', async () => {
    const current = () => ({ unknown: 'the API server told nothing of them for 301 s' });
    expect(await listLines(checkTestPod({ policies: { current } }))).toEqual([
      'TaskPolicies: expected policies that can be read, got the API server told nothing of them for 301 s (rule policy)',
    ]);
    for (const readNamespaceLabels of [
      () => Promise.reject(new Error('down')),
      () => Promise.resolve(undefined),
    ]) {
      expect(await listLines(checkTestPod({ readNamespaceLabels }))).toEqual([
        expect.stringMatching(/^Namespace research: .*try again.*\(rule policy\)$/),
      ]);
    }
  });

  test('are refused whose SPIFFE ID no grant can carry', async () => {
    const authority = { trustDomain: 'a'.repeat(128) };
    const tasks = [buildTask('t', ['agent']), buildTask('t'.repeat(63), ['agent'])];
    const lines = await listLines(
      checkTestPod({ authority }, { namespace: 'n'.repeat(63), tasks }),
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
