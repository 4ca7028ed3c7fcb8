import { expect, it } from '@jest/globals';
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

it('excludes a container that another mutator adds after injection', () => {
  const injected = injectPod();
  const containers = [...(injected.spec?.containers ?? []), { name: 'late' }];
  const pod = { ...injected, spec: { ...injected.spec, containers } };
  expect(findConsumerNames(pod, platform).containers).toEqual(['agent', 'helper']);
});

it('ignores a sidecar without admitted consumers', () => {
  const pod = buildPodWithContainers(agentPod, [{ name: 'valetkey-sidecar', image: 'mine:1' }]);
  expect(findConsumerNames(pod, platform).containers).toEqual(['agent', 'helper']);
});

it('reads tasks from the sidecar among the init containers only', () => {
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
