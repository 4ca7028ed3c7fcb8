import { expect, test } from '@jest/globals';

import type { Pod } from '../../lib/contract/pod.ts';
import { buildTask } from '../../lib/injection/fixtures/sample-platform.ts';
import { injectPod } from '../../lib/injection/fixtures/injected-pods.ts';
import { createRunRoleReader } from './run-roles.ts';

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

test('a run is of the roles that the sidecar of its pod was given', async () => {
  const { role } = buildTask('summarize', ['agent']);
  expect(await readRoles(injected.spec)).toEqual([role]);
});

test('a pod that cannot be told any more may be of every role', async () => {
  expect(await readRoles(injected.spec, 'u-2')).toEqual(ALL);
  expect(await readRoles({ ...injected.spec, initContainers: [] })).toEqual(ALL);
});

test('what bears the name of the sidecar elsewhere was given nothing', async () => {
  const { initContainers: containers = [] } = injected.spec ?? {};
  expect(await readRoles({ containers })).toEqual(ALL);
});
