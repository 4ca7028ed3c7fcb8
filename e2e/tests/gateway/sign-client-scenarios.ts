import { describe, expect, it } from '@jest/globals';
import { createLiveCaseCloud } from '../../cases/live-case-cloud.ts';
import { buildSignClient, type SignClientName } from '../../clients/client-builds.ts';
import { startClient } from '../../clients/client-process.ts';
import { runScenario } from '../../clients/scenario-runner.ts';
import { listSignScenarios } from '../../clients/scenarios.ts';
import { createSidecarFixtures, findSidecarProgram } from '../../clients/sidecar-fixture.ts';
import { cloud, testContext } from '../test-context.ts';

/** Defines a test for every scenario of delivery `sign` with each of the clients. */
export const defineSignClientTests = async (names: readonly SignClientName[]): Promise<void> => {
  const { node } = testContext;
  if (node === undefined)
    throw new Error('expected a cluster on this machine: its keys sign tokens');
  // Concurrent tests do not wait for beforeAll.
  const caseCloud = await createLiveCaseCloud(cloud, node);
  const program = findSidecarProgram();
  const createFixture = createSidecarFixtures({ cloud: caseCloud, program, delivery: 'sign' });
  const progress = (line: string) => process.stdout.write(`${line}\n`);
  const clients = await Promise.all(
    names.map(async (name) => ({ name, command: await buildSignClient(progress, name) })),
  );
  const runs = clients.flatMap(({ name: client, command }) =>
    listSignScenarios(client).map((scenario) => ({
      name: `${client}: ${scenario.name}`,
      command,
      scenario,
    })),
  );

  describe(`a client with an endpoint of its own at the gateway (${cloud.name})`, () => {
    it.concurrent.each(runs)(
      '$name',
      async ({ command, scenario }) => {
        const start = (env: Readonly<Record<string, string>>) => startClient(command, env);
        const { faults } = await runScenario(scenario, createFixture, start);
        expect(faults).toEqual([]);
      },
      900_000,
    );
  });
};
