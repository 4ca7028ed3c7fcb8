import { describe, expect, test } from '@jest/globals';
import type { Pod } from '../contract/pod.ts';
import { isAsked } from './asking.ts';
import { agentPod } from './fixtures/pods.ts';
import { mutateConditions, validateConditions } from './match-conditions.ts';

const plain: Pod = {
  metadata: { annotations: { 'valetkey.dev/x': '' } },
  spec: { containers: [{ name: 'a' }], volumes: [{ name: 'a' }] },
};
const withSpec = (spec: Pod['spec']): Pod => ({ ...plain, spec: { ...plain.spec, ...spec } });

describe('the validating webhook', () => {
  test.each<[string, Pod | undefined, Pod | undefined]>([
    ['declares a task', agentPod, undefined],
    ['declared a task before', plain, agentPod],
    ['is gone and had declared one', undefined, agentPod],
    ['has our container', withSpec({ containers: [{ name: 'valetkey-sidecar' }] }), undefined],
    ['has it as init', withSpec({ initContainers: [{ name: 'valetkey-sidecar' }] }), undefined],
    [
      'has it as ephemeral',
      withSpec({ ephemeralContainers: [{ name: 'valetkey-sidecar' }] }),
      plain,
    ],
    ['has a volume of ours', withSpec({ volumes: [{ name: 'valetkey-x' }] }), undefined],
  ])('is asked for a pod that %s', (_, pod, oldPod) => {
    expect(isAsked(pod, oldPod)).toBe(true);
  });

  test.each<[string, Pod | undefined, Pod | undefined]>([
    ['has nothing of ours', plain, undefined],
    ['never had', plain, plain],
    ['is empty', {}, {}],
    ['is not there', undefined, undefined],
  ])('is not asked for a pod that %s', (_, pod, oldPod) => {
    expect(isAsked(pod, oldPod)).toBe(false);
  });
});

/** The API server's own evaluation of these is shown on a real cluster. */
describe('match conditions', () => {
  const [mutate, validate] = [mutateConditions, validateConditions].map(
    ([condition]) => condition?.expression.split(' || ') ?? [],
  );

  test('for mutating look at the annotations of the object alone', () => {
    expect(mutate).toEqual([
      "(object != null && has(object.metadata) && has(object.metadata.annotations) && object.metadata.annotations != null && object.metadata.annotations.exists(it, it.startsWith('task.valetkey.dev/')))",
    ]);
  });

  test('for validating look at annotations, every container list and volumes, before and after', () => {
    const looksAt = validate?.map((part) => / && (\w+\.\w+\.\w+)\.exists/.exec(part)?.[1]);
    const members = ['containers', 'initContainers', 'ephemeralContainers', 'volumes'];
    expect(looksAt).toEqual(
      ['object', 'oldObject'].flatMap((subject) => [
        `${subject}.metadata.annotations`,
        ...members.map((member) => `${subject}.spec.${member}`),
      ]),
    );
  });

  test('never follow what may be absent or null', () => {
    for (const part of validate ?? []) {
      const [, subject, group, member] = /(\w+)\.(\w+)\.(\w+)\.exists/.exec(part) ?? [];
      const path = `${subject}.${group}.${member}`;
      const guards = `(${subject} != null && has(${subject}.${group}) && has(${path}) && ${path} != null && `;
      expect(part.startsWith(guards)).toBe(true);
    }
  });
});
