import { expect, test } from '@jest/globals';

import type { Pod } from '../../lib/contract/pod.ts';
import { taskFor } from '../../lib/injection/fixtures/platform.ts';
import { inject } from '../../lib/injection/fixtures/pods.ts';
import { openRunRoles } from './run-roles.ts';

const ALL = ['every', 'role'];
const injected = inject({ tasks: [taskFor('summarize', ['agent'])] });
const claimant = {
  ...{ namespace: 'research', serviceAccount: 'agent' },
  pod: { name: 'agent', uid: 'u-1' },
};

const rolesOf = (spec: Pod['spec'], uid = 'u-1') =>
  openRunRoles(
    () => Promise.resolve({ ...injected, metadata: { ...injected.metadata, uid }, spec }),
    ALL,
  )(claimant);

test('a run is of the roles that the sidecar of its pod was given', async () => {
  const { role } = taskFor('summarize', ['agent']);
  expect(await rolesOf(injected.spec)).toEqual([role]);
});

test('a pod that cannot be told any more may be of every role', async () => {
  expect(await rolesOf(injected.spec, 'u-2')).toEqual(ALL);
  expect(await rolesOf({ ...injected.spec, initContainers: [] })).toEqual(ALL);
});

test('what bears the name of the sidecar elsewhere was given nothing', async () => {
  const { initContainers: containers = [] } = injected.spec ?? {};
  expect(await rolesOf({ containers })).toEqual(ALL);
});
