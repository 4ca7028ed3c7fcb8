import { describe, expect, test } from '@jest/globals';
import { AGENT, addOp, removeOp, expectDenied, expectAllowed } from '../fixtures/rule-cases.ts';
import { agentPod, evaluateNewPod } from '../fixtures/injected-pods.ts';

describe('names of ours', () => {
  expectDenied('1', [
    ['a label under our domain', [addOp('/metadata/labels/valetkey.dev~1other', 'x')]],
    ['a task as a label', [addOp('/metadata/labels/task.valetkey.dev~1a', '')]],
    ['an annotation under our domain', [addOp('/metadata/annotations/valetkey.dev~1image', 'x')]],
    ['one below it, in capitals', [addOp('/metadata/annotations/A.Valetkey.Dev~1x', 'x')]],
    ['a second sidecar', [addOp(`${AGENT}/name`, 'valetkey-sidecar')], `${AGENT}/name`],
    [
      'an ephemeral container by our name',
      [addOp('/spec/ephemeralContainers', [{ name: 'valetkey-sidecar' }])],
      '/spec/ephemeralContainers/0/name',
    ],
    [
      'a volume under our prefix',
      [addOp('/spec/volumes/-', { name: 'valetkey-mine', emptyDir: {} })],
      '/spec/volumes/3/name',
    ],
    [
      'a volume for a consumer that is none',
      [addOp('/spec/volumes/-', { name: 'valetkey-consumer-2', emptyDir: {} })],
      '/spec/volumes/3/name',
    ],
    [
      'a volume of ours twice',
      [addOp('/spec/volumes/-', { name: 'valetkey-token', emptyDir: {} })],
      '/spec/volumes/3/name',
    ],
    ['a copy that declares no task', [removeOp('/metadata/annotations')]],
  ]);
  expectAllowed('1', [
    ['names of others', [addOp('/metadata/labels/notvaletkey.dev~1x', '')]],
    ['a volume that only resembles ours', [addOp('/spec/volumes/-', { name: 'valetkey' })]],
  ]);

  test('rule 1 refuses a name of ours in a pod that was not injected', () => {
    const metadata = { ...agentPod.metadata, labels: { 'valetkey.dev/injected': 'true' } };
    const spec = { ...agentPod.spec, volumes: [{ name: 'valetkey-token' }] };
    const paths = evaluateNewPod({ ...agentPod, metadata, spec })
      .filter(({ rule }) => rule === '1')
      .map(({ path }) => path);
    expect(paths).toEqual(['/metadata/labels/valetkey.dev~1injected', '/spec/volumes/0/name']);
  });
});
