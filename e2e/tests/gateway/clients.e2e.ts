import { describe, expect, it } from '@jest/globals';
import { createLiveCaseCloud } from '../../cases/live-case-cloud.ts';
import { clientNames } from '../../clients/client-builds.ts';
import { startClient } from '../../clients/client-process.ts';
import { runScenario } from '../../clients/scenario-runner.ts';
import { listSignScenarios } from '../../clients/scenarios.ts';
import { createSidecarFixtures, findSidecarProgram } from '../../clients/sidecar-fixture.ts';
import { cloud, testContext } from '../test-context.ts';

const { node, clients } = testContext;
if (node === undefined) throw new Error('expected a cluster on this machine: its keys sign tokens');

// Concurrent tests do not wait for beforeAll.
const caseCloud = await createLiveCaseCloud(cloud, node);
const program = findSidecarProgram();
const createFixture = createSidecarFixtures({ cloud: caseCloud, program, delivery: 'sign' });

/** What a client sends does not depend on the cloud; what RGW makes of it is shown by two of them. */
const names = cloud.name === 'minio' ? clientNames : (['javascript', 'boto3'] as const);
/** RGW 16 denies DeleteObjects to every session with a policy, under `vend` too. */
const refused = cloud.name === 'rgw' ? (['delete'] as const) : [];
const runs = names.flatMap((client) =>
  listSignScenarios(client, refused).map((scenario) => ({
    name: `${client}: ${scenario.name}`,
    command: clients.newest?.[client],
    scenario,
  })),
);

describe(`an unmodified client at the gateway (${cloud.name})`, () => {
  it.concurrent.each(runs)(
    '$name',
    async ({ command, scenario }) => {
      if (command === undefined) throw new Error('expected the newest version of each client');
      const start = (env: Readonly<Record<string, string>>) => startClient(command, env);
      const { faults } = await runScenario(scenario, createFixture, start);
      expect(faults).toEqual([]);
    },
    900_000,
  );
});
