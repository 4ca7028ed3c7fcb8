import { expect, test } from '@jest/globals';
import type { Pod } from '../contract/pod.ts';
import { findConsumerNames, findTasksEnvValue } from './consumers.ts';
import { platform } from './fixtures/sample-platform.ts';
import { agentPod, injectPod } from './fixtures/injected-pods.ts';

const buildPodWithContainers = (
  pod: Pod,
  initContainers: NonNullable<Pod['spec']>['initContainers'],
) => ({
  ...pod,
  spec: { ...pod.spec, initContainers: initContainers ?? [] },
});

test('a container that another mutator adds after injection is no consumer by default', () => {
  const injected = injectPod();
  const containers = [...(injected.spec?.containers ?? []), { name: 'late' }];
  const pod = { ...injected, spec: { ...injected.spec, containers } };
  expect(findConsumerNames(pod, platform).containers).toEqual(['agent', 'helper']);
});

test('a sidecar that somebody brings along fixes nothing: it is rule 2 that speaks of it', () => {
  const pod = buildPodWithContainers(agentPod, [{ name: 'valetkey-sidecar', image: 'mine:1' }]);
  expect(findConsumerNames(pod, platform).containers).toEqual(['agent', 'helper']);
});

test('tasks are given to the sidecar that stands where we put it, and to no namesake', () => {
  const env = [{ name: 'VALETKEY_TASKS', value: '{}' }];
  const namesake = { name: 'valetkey-sidecar', image: 'mine:1', env };
  const elsewhere = { ...agentPod, spec: { ...agentPod.spec, containers: [namesake] } };
  expect(findTasksEnvValue(elsewhere)).toBeUndefined();
  const path = '/spec/initContainers/0/env';
  expect(findTasksEnvValue(buildPodWithContainers(elsewhere, [namesake]))).toEqual({
    text: '{}',
    path: `${path}/0/value`,
  });
  expect(findTasksEnvValue(buildPodWithContainers(elsewhere, [{ ...namesake, env: [] }]))).toEqual({
    text: '',
    path: `${path}/-/value`,
  });
});
