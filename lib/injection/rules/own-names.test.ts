import { describe, expect, it } from '@jest/globals';
import { AGENT, addOp, removeOp, expectDenied, expectAllowed } from '../fixtures/rule-cases.ts';
import { agentPod, evaluateNewPod } from '../fixtures/injected-pods.ts';

describe('checkOwnNames', () => {
  expectDenied('1', [
    ['a label under the reserved domain', [addOp('/metadata/labels/valetkey.dev~1other', 'x')]],
    ['a task as a label', [addOp('/metadata/labels/task.valetkey.dev~1a', '')]],
    [
      'an annotation under the reserved domain',
      [addOp('/metadata/annotations/valetkey.dev~1image', 'x')],
    ],
    [
      'an annotation under a subdomain, in capitals',
      [addOp('/metadata/annotations/A.Valetkey.Dev~1x', 'x')],
    ],
    ['a second sidecar', [addOp(`${AGENT}/name`, 'valetkey-sidecar')], `${AGENT}/name`],
    [
      'an ephemeral container with the name of the sidecar',
      [addOp('/spec/ephemeralContainers', [{ name: 'valetkey-sidecar' }])],
      '/spec/ephemeralContainers/0/name',
    ],
    [
      'a volume with the reserved prefix',
      [addOp('/spec/volumes/-', { name: 'valetkey-mine', emptyDir: {} })],
      '/spec/volumes/3/name',
    ],
    [
      'a socket volume without a consumer',
      [addOp('/spec/volumes/-', { name: 'valetkey-consumer-2', emptyDir: {} })],
      '/spec/volumes/3/name',
    ],
    [
      'a reserved volume twice',
      [addOp('/spec/volumes/-', { name: 'valetkey-token', emptyDir: {} })],
      '/spec/volumes/3/name',
    ],
    ['a copy that declares no task', [removeOp('/metadata/annotations')]],
  ]);
  expectAllowed('1', [
    ['keys of other domains', [addOp('/metadata/labels/notvaletkey.dev~1x', '')]],
    [
      'a volume whose name only resembles a reserved one',
      [addOp('/spec/volumes/-', { name: 'valetkey' })],
    ],
  ]);

  it('rule 1 refuses a reserved name in a pod that was not injected', () => {
    const metadata = { ...agentPod.metadata, labels: { 'valetkey.dev/injected': 'true' } };
    const spec = { ...agentPod.spec, volumes: [{ name: 'valetkey-token' }] };
    const paths = evaluateNewPod({ ...agentPod, metadata, spec })
      .filter(({ rule }) => rule === '1')
      .map(({ path }) => path);
    expect(paths).toEqual(['/metadata/labels/valetkey.dev~1injected', '/spec/volumes/0/name']);
  });
});
