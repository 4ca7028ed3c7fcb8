import { describe, expect, test } from '@jest/globals';
import type { JsonPatchOp } from '../../contract/json-patch-operation.ts';
import type { Pod } from '../../contract/pod.ts';
import { SIDECAR, AGENT, addOp, removeOp, type RuleCase } from '../fixtures/rule-cases.ts';
import { platform } from '../fixtures/sample-platform.ts';
import { injectPod } from '../fixtures/injected-pods.ts';
import { applyPatch } from '../json-patch.ts';
import { evaluateRules } from './rule-evaluation.ts';

describe('an update', () => {
  const judgeUpdate = (changes: readonly JsonPatchOp[], oldPod: Pod = injectPod()) => {
    const pod = applyPatch(injectPod(), changes) as Pod;
    const context = { platform, templates: new Map(), phase: 'UPDATE' as const, tasks: [] };
    return evaluateRules(pod, { ...context, oldPod });
  };

  test.each<RuleCase>([
    ['a changed task', [addOp('/metadata/annotations/task.valetkey.dev~1summarize', 'x')]],
    ['a further task', [addOp('/metadata/annotations/task.valetkey.dev~1more', '')]],
    ['a task that goes', [removeOp('/metadata/annotations/task.valetkey.dev~1summarize')]],
    ['our label changed', [addOp('/metadata/labels/valetkey.dev~1injected', 'false')]],
    ['our label gone', [removeOp('/metadata/labels/valetkey.dev~1injected')]],
    ["the sidecar's image changed", [addOp(`${SIDECAR}/image`, 'evil:1')]],
  ])('rule 8 refuses %s', (_, changes) => {
    expect(judgeUpdate(changes)).toMatchObject([{ rule: '8', path: changes[0]?.path }]);
  });

  test.each<RuleCase>([
    ['nothing', []],
    [
      'other annotations and labels',
      [addOp('/metadata/annotations/x', ''), addOp('/metadata/labels/x', '')],
    ],
    ["another container's image", [addOp(`${AGENT}/image`, 'agent:2')]],
    ['a pod that breaks other rules, as it always did', [addOp('/spec/hostPID', true)]],
  ])('rule 8 allows a change of %s', (_, changes) => {
    expect(judgeUpdate(changes)).toEqual([]);
  });

  test('rule 8 refuses an update of which the old pod is not known', () => {
    const context = { platform, templates: new Map(), phase: 'UPDATE' as const, tasks: [] };
    expect(evaluateRules(injectPod(), context)).toMatchObject([{ rule: '8' }]);
  });
});
