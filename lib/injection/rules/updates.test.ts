import { describe, expect, it } from '@jest/globals';
import type { JsonPatchOp } from '../../contract/json-patch-operation.ts';
import type { Pod } from '../../contract/pod.ts';
import { SIDECAR, AGENT, addOp, removeOp, type RuleCase } from '../fixtures/rule-cases.ts';
import { platform } from '../fixtures/sample-platform.ts';
import { injectPod } from '../fixtures/injected-pods.ts';
import { applyPatch } from '../json-patch.ts';
import { evaluateRules } from './rule-evaluation.ts';

describe('checkUpdates', () => {
  const evaluateUpdate = (changes: readonly JsonPatchOp[], oldPod: Pod = injectPod()) => {
    const pod = applyPatch(injectPod(), changes) as Pod;
    const context = { platform, templates: new Map(), phase: 'UPDATE' as const, tasks: [] };
    return evaluateRules(pod, { ...context, oldPod });
  };

  it.each<RuleCase>([
    ['a changed task', [addOp('/metadata/annotations/task.valetkey.dev~1summarize', 'x')]],
    ['an added task', [addOp('/metadata/annotations/task.valetkey.dev~1more', '')]],
    ['a removed task', [removeOp('/metadata/annotations/task.valetkey.dev~1summarize')]],
    ['the Valetkey label changed', [addOp('/metadata/labels/valetkey.dev~1injected', 'false')]],
    ['the Valetkey label removed', [removeOp('/metadata/labels/valetkey.dev~1injected')]],
    ["the sidecar's image changed", [addOp(`${SIDECAR}/image`, 'evil:1')]],
  ])('rule 8 refuses %s', (_, changes) => {
    expect(evaluateUpdate(changes)).toMatchObject([{ rule: '8', path: changes[0]?.path }]);
  });

  it.each<RuleCase>([
    ['nothing', []],
    [
      'other annotations and labels',
      [addOp('/metadata/annotations/x', ''), addOp('/metadata/labels/x', '')],
    ],
    ["another container's image", [addOp(`${AGENT}/image`, 'agent:2')]],
    ['a pod that violated other rules before', [addOp('/spec/hostPID', true)]],
  ])('rule 8 allows a change of %s', (_, changes) => {
    expect(evaluateUpdate(changes)).toEqual([]);
  });

  it.each<[string, JsonPatchOp]>([
    ['a role of another mechanism', addOp('/metadata/annotations/iam.amazonaws.com~1role', 'x')],
    ['an identity of Azure', addOp('/metadata/labels/aadpodidbinding', 'agent')],
  ])('rule 7 refuses an update that binds a running pod to %s, and allows it to stay', (_, op) => {
    expect(evaluateUpdate([op])).toMatchObject([{ rule: '7', path: op.path }]);
    const bound = applyPatch(injectPod(), [op]) as Pod;
    expect(evaluateUpdate([op], bound)).toEqual([]);
    expect(evaluateUpdate([{ ...op, value: 'other' } as JsonPatchOp], bound)).toMatchObject([
      { rule: '7' },
    ]);
    expect(evaluateUpdate([], bound)).toEqual([]);
  });

  it('rule 8 refuses an update without the old pod', () => {
    const context = { platform, templates: new Map(), phase: 'UPDATE' as const, tasks: [] };
    expect(evaluateRules(injectPod(), context)).toMatchObject([{ rule: '8' }]);
  });
});
