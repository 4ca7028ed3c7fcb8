import { expect, test } from '@jest/globals';
import type { Pod } from '../contract/pod.ts';
import { candidateConsumers, givenTasks } from './consumers.ts';
import { platform } from './fixtures/platform.ts';
import { agentPod, inject } from './fixtures/pods.ts';

const withContainers = (pod: Pod, initContainers: NonNullable<Pod['spec']>['initContainers']) => ({
  ...pod,
  spec: { ...pod.spec, initContainers: initContainers ?? [] },
});

test('a container that another mutator adds after injection is no consumer by default', () => {
  const injected = inject();
  const containers = [...(injected.spec?.containers ?? []), { name: 'late' }];
  const pod = { ...injected, spec: { ...injected.spec, containers } };
  expect(candidateConsumers(pod, platform).containers).toEqual(['agent', 'helper']);
});

test('a sidecar that somebody brings along fixes nothing: it is rule 2 that speaks of it', () => {
  const pod = withContainers(agentPod, [{ name: 'valetkey-sidecar', image: 'mine:1' }]);
  expect(candidateConsumers(pod, platform).containers).toEqual(['agent', 'helper']);
});

test('tasks are given to the sidecar that stands where we put it, and to no namesake', () => {
  const env = [{ name: 'VALETKEY_TASKS', value: '{}' }];
  const namesake = { name: 'valetkey-sidecar', image: 'mine:1', env };
  const elsewhere = { ...agentPod, spec: { ...agentPod.spec, containers: [namesake] } };
  expect(givenTasks(elsewhere)).toBeUndefined();
  const path = '/spec/initContainers/0/env';
  expect(givenTasks(withContainers(elsewhere, [namesake]))).toEqual({
    text: '{}',
    path: `${path}/0/value`,
  });
  expect(givenTasks(withContainers(elsewhere, [{ ...namesake, env: [] }]))).toEqual({
    text: '',
    path: `${path}/-/value`,
  });
});
