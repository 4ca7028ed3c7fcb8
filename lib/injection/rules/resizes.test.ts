import { describe, expect, test } from '@jest/globals';
import type { JsonPatchOp } from '../../contract/json-patch.ts';
import type { Pod } from '../../contract/pod.ts';
import { AGENT, SIDECAR, add, remove, type Case } from '../fixtures/cases.ts';
import { platform } from '../fixtures/platform.ts';
import { inject } from '../fixtures/pods.ts';
import { applyPatch } from '../json-patch.ts';
import { judgePod } from './rules.ts';

describe('a resize', () => {
  const oldPod = inject();
  const judge = (changes: readonly JsonPatchOp[]) =>
    judgePod(applyPatch(oldPod, changes) as Pod, {
      ...{ platform, profiles: new Map(), occasion: 'UPDATE', tasks: [] },
      oldPod,
    });

  test.each<Case>([
    ['less memory', [add(`${SIDECAR}/resources/limits/memory`, '8Mi')]],
    ['more memory', [add(`${SIDECAR}/resources/limits/memory`, '1Gi')]],
    ['less time', [add(`${SIDECAR}/resources/requests/cpu`, '1m')]],
    ['a limit of time', [add(`${SIDECAR}/resources/limits/cpu`, '100m')]],
    ['no limit', [remove(`${SIDECAR}/resources/limits/memory`)]],
  ])('rule 10 refuses %s for the sidecar', (_, changes) => {
    expect(judge(changes)).toMatchObject([{ rule: '10', path: changes[0]?.path }]);
  });

  test.each<Case>([
    ['the other containers', [add(`${AGENT}/resources`, { limits: { memory: '1Gi' } })]],
    ['the same amount in other words', [add(`${SIDECAR}/resources/requests/cpu`, '100m')]],
  ])('rule 10 allows %s', (_, changes) => {
    expect(judge(changes)).toEqual([]);
  });
});
