import { describe, expect, test } from '@jest/globals';
import type { JsonPatchOp } from '../../contract/json-patch.ts';
import type { Pod } from '../../contract/pod.ts';
import { SIDECAR, AGENT, add, remove, type Case } from '../fixtures/cases.ts';
import { platform } from '../fixtures/platform.ts';
import { inject } from '../fixtures/pods.ts';
import { applyPatch } from '../json-patch.ts';
import { judgePod } from './rules.ts';

describe('an update', () => {
  const judgeUpdate = (changes: readonly JsonPatchOp[], oldPod: Pod = inject()) => {
    const pod = applyPatch(inject(), changes) as Pod;
    const context = { platform, profiles: new Map(), occasion: 'UPDATE' as const, tasks: [] };
    return judgePod(pod, { ...context, oldPod });
  };

  test.each<Case>([
    ['a changed task', [add('/metadata/annotations/task.valetkey.dev~1summarize', 'x')]],
    ['a further task', [add('/metadata/annotations/task.valetkey.dev~1more', '')]],
    ['a task that goes', [remove('/metadata/annotations/task.valetkey.dev~1summarize')]],
    ['our label changed', [add('/metadata/labels/valetkey.dev~1injected', 'false')]],
    ['our label gone', [remove('/metadata/labels/valetkey.dev~1injected')]],
    ["the sidecar's image changed", [add(`${SIDECAR}/image`, 'evil:1')]],
  ])('rule 8 refuses %s', (_, changes) => {
    expect(judgeUpdate(changes)).toMatchObject([{ rule: '8', path: changes[0]?.path }]);
  });

  test.each<Case>([
    ['nothing', []],
    [
      'other annotations and labels',
      [add('/metadata/annotations/x', ''), add('/metadata/labels/x', '')],
    ],
    ["another container's image", [add(`${AGENT}/image`, 'agent:2')]],
    ['a pod that breaks other rules, as it always did', [add('/spec/hostPID', true)]],
  ])('rule 8 allows a change of %s', (_, changes) => {
    expect(judgeUpdate(changes)).toEqual([]);
  });

  test('rule 8 refuses an update of which the old pod is not known', () => {
    const context = { platform, profiles: new Map(), occasion: 'UPDATE' as const, tasks: [] };
    expect(judgePod(inject(), context)).toMatchObject([{ rule: '8' }]);
  });
});
