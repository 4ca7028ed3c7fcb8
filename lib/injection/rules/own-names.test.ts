import { describe, expect, test } from '@jest/globals';
import { AGENT, add, remove, refuses, allows } from '../fixtures/cases.ts';
import { agentPod, judgeNew } from '../fixtures/pods.ts';

describe('names of ours', () => {
  refuses('1', [
    ['a label under our domain', [add('/metadata/labels/valetkey.dev~1other', 'x')]],
    ['a task as a label', [add('/metadata/labels/task.valetkey.dev~1a', '')]],
    ['an annotation under our domain', [add('/metadata/annotations/valetkey.dev~1image', 'x')]],
    ['one below it, in capitals', [add('/metadata/annotations/A.Valetkey.Dev~1x', 'x')]],
    ['a second sidecar', [add(`${AGENT}/name`, 'valetkey-sidecar')], `${AGENT}/name`],
    [
      'an ephemeral container by our name',
      [add('/spec/ephemeralContainers', [{ name: 'valetkey-sidecar' }])],
      '/spec/ephemeralContainers/0/name',
    ],
    [
      'a volume under our prefix',
      [add('/spec/volumes/-', { name: 'valetkey-mine', emptyDir: {} })],
      '/spec/volumes/3/name',
    ],
    [
      'a volume for a consumer that is none',
      [add('/spec/volumes/-', { name: 'valetkey-consumer-2', emptyDir: {} })],
      '/spec/volumes/3/name',
    ],
    [
      'a volume of ours twice',
      [add('/spec/volumes/-', { name: 'valetkey-token', emptyDir: {} })],
      '/spec/volumes/3/name',
    ],
    ['a copy that declares no task', [remove('/metadata/annotations')]],
  ]);
  allows('1', [
    ['names of others', [add('/metadata/labels/notvaletkey.dev~1x', '')]],
    ['a volume that only resembles ours', [add('/spec/volumes/-', { name: 'valetkey' })]],
  ]);

  test('rule 1 refuses a name of ours in a pod that was not injected', () => {
    const metadata = { ...agentPod.metadata, labels: { 'valetkey.dev/injected': 'true' } };
    const spec = { ...agentPod.spec, volumes: [{ name: 'valetkey-token' }] };
    const paths = judgeNew({ ...agentPod, metadata, spec })
      .filter(({ rule }) => rule === '1')
      .map(({ path }) => path);
    expect(paths).toEqual(['/metadata/labels/valetkey.dev~1injected', '/spec/volumes/0/name']);
  });
});
