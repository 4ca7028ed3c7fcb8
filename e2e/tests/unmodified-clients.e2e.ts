import { afterAll, describe, expect, it } from '@jest/globals';
import { startEmbeddedCaseCloud } from '../cases/embedded-case-cloud.ts';
import { clientNames } from '../clients/client-builds.ts';
import { startClient } from '../clients/client-process.ts';
import { runScenario } from '../clients/scenario-runner.ts';
import { listScenarios, listShortScenarios, longScenarios } from '../clients/scenarios.ts';
import { findSidecarProgram, createSidecarFixtures } from '../clients/sidecar-fixture.ts';
import { testContext } from './test-context.ts';

// Concurrent tests do not wait for beforeAll.
const { cloud, close } = await startEmbeddedCaseCloud();
const createFixture = createSidecarFixtures({ cloud, program: findSidecarProgram() });
const listRun = (client: string) =>
  testContext.isFull ? [...listScenarios(client), ...longScenarios] : listShortScenarios(client);
const runs = Object.entries(testContext.clients).flatMap(([version, clients]) =>
  clientNames.flatMap((client) =>
    listRun(client).map((scenario) => ({
      name: `${client}, ${version}: ${scenario.name}`,
      command: clients[client],
      scenario,
    })),
  ),
);

describe('an unmodified client at a sidecar', () => {
  afterAll(() => close());

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
