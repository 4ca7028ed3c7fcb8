import { expect, test } from '@jest/globals';

import type { Pod } from '../../lib/contract/pod.ts';
import { buildTask } from '../../lib/injection/fixtures/sample-platform.ts';
import { injectPod } from '../../lib/injection/fixtures/injected-pods.ts';
import { createRunRoleReader } from './run-end.ts';

const ALL = ['every', 'role'];
const injected = injectPod({ tasks: [buildTask('summarize', ['agent'])] });
const caller = {
  ...{ namespace: 'research', serviceAccount: 'agent' },
  pod: { name: 'agent', uid: 'u-1' },
};

const readRoles = (spec: Pod['spec'], uid = 'u-1') =>
  createRunRoleReader(
    () => Promise.resolve({ ...injected, metadata: { ...injected.metadata, uid }, spec }),
    ALL,
  )(caller);

test('createRunRoleReader returns the roles of the tasks of the sidecar', async () => {
  const { role } = buildTask('summarize', ['agent']);
  expect(await readRoles(injected.spec)).toEqual([role]);
});

test('createRunRoleReader returns all roles if the pod no longer exists', async () => {
  expect(await readRoles(injected.spec, 'u-2')).toEqual(ALL);
  expect(await readRoles({ ...injected.spec, initContainers: [] })).toEqual(ALL);
});

test('createRunRoleReader ignores other containers with the name of the sidecar', async () => {
  const { initContainers: containers = [] } = injected.spec ?? {};
  expect(await readRoles({ containers })).toEqual(ALL);
});
