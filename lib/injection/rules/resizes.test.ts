import { describe, expect, it } from '@jest/globals';
import type { JsonPatchOp } from '../../contract/json-patch-operation.ts';
import type { Pod } from '../../contract/pod.ts';
import { AGENT, SIDECAR, addOp, removeOp, type RuleCase } from '../fixtures/rule-cases.ts';
import { platform } from '../fixtures/sample-platform.ts';
import { injectPod } from '../fixtures/injected-pods.ts';
import { applyPatch } from '../json-patch.ts';
import { evaluateRules } from './rule-evaluation.ts';

describe('checkResizes', () => {
  const oldPod = injectPod();
  const evaluate = (changes: readonly JsonPatchOp[]) =>
    evaluateRules(applyPatch(oldPod, changes) as Pod, {
      ...{ platform, templates: new Map(), phase: 'UPDATE', tasks: [] },
      oldPod,
    });

  it.each<RuleCase>([
    ['less memory', [addOp(`${SIDECAR}/resources/limits/memory`, '8Mi')]],
    ['more memory', [addOp(`${SIDECAR}/resources/limits/memory`, '1Gi')]],
    ['less cpu', [addOp(`${SIDECAR}/resources/requests/cpu`, '1m')]],
    ['a cpu limit', [addOp(`${SIDECAR}/resources/limits/cpu`, '100m')]],
    ['no limit', [removeOp(`${SIDECAR}/resources/limits/memory`)]],
  ])('rule 10 refuses %s for the sidecar', (_, changes) => {
    expect(evaluate(changes)).toMatchObject([{ rule: '10', path: changes[0]?.path }]);
  });

  it.each<RuleCase>([
    ['the other containers', [addOp(`${AGENT}/resources`, { limits: { memory: '1Gi' } })]],
    ['the same amount in another notation', [addOp(`${SIDECAR}/resources/requests/cpu`, '100m')]],
  ])('rule 10 allows %s', (_, changes) => {
    expect(evaluate(changes)).toEqual([]);
  });
});
