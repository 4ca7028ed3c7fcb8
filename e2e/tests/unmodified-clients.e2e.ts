import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startEmbeddedCaseCloud } from '../cases/embedded-case-cloud.ts';
import { clientNames } from '../clients/client-builds.ts';
import { startClient } from '../clients/client-process.ts';
import { runScenario } from '../clients/scenario-runner.ts';
import { longScenarios, scenarios } from '../clients/scenarios.ts';
import { findSidecarProgram, createSidecarFixtures } from '../clients/sidecar-fixture.ts';
import { execInPod } from '../cluster/kubectl.ts';
import { CommandError } from '../cluster/command.ts';
import {
  buildAgentContainer,
  cloud,
  cluster,
  createNamespace,
  readReports,
  runPod,
  testContext,
} from './test-context.ts';

describe(`awscli in a pod on ${cloud.name}`, () => {
  const place = { namespace: '', pod: 'awscli', container: 'awscli' };

  beforeAll(async () => {
    place.namespace = await createNamespace('awscli');
    const container = {
      ...buildAgentContainer('awscli'),
      image: testContext.images.awscli,
      command: ['/bin/sleep', '3600'],
    };
    const spec = { containers: [container] };
    await runPod({
      name: place.pod,
      namespace: place.namespace,
      tasks: { read: readReports },
      spec,
    });
  });

  const getObject = (key: string, options: string[] = []) => {
    const args = [
      ...options,
      's3api',
      'get-object',
      '--bucket',
      'acme-data',
      '--key',
      key,
      '/dev/null',
    ];
    return execInPod(cluster, place, [...testContext.awscliCommand, ...args]);
  };

  test('reads what its task allows, by the injected environment alone', async () => {
    const { stdout } = await getObject('reports/q3.csv');
    expect(JSON.parse(stdout)).toHaveProperty('ContentLength');
  });

  test('is refused by the cloud elsewhere', async () => {
    // RGW's refusals have no message, which awscli cannot show: the status stands in its debug log.
    const refusal = await getObject('secrets/keys.txt', ['--debug']).catch(
      (error: unknown) => error,
    );
    expect(refusal).toBeInstanceOf(CommandError);
    // Not by toMatch: a failure would print the whole log, session token and all.
    const isForbidden = /GET \/acme-data\/secrets\/keys.txt[^"]*" 403/;
    expect(isForbidden.test((refusal as CommandError).stderr)).toBe(true);
  });
});

// The cloud behind these is the embedded one, which answers as the real ones do and trusts whoever
// signs for it: once is enough.
if (testContext.entry === 'minio-cluster') {
  // Concurrent tests do not wait for beforeAll.
  const { cloud: caseCloud, close } = await startEmbeddedCaseCloud();
  const setScene = createSidecarFixtures({ cloud: caseCloud, program: findSidecarProgram() });
  const chosen = testContext.isFull ? [...scenarios, ...longScenarios] : scenarios;
  const plays = Object.entries(testContext.clients).flatMap(([edition, clients]) =>
    clientNames.flatMap((client) =>
      chosen.map((scenario) => ({
        name: `${client}, ${edition}: ${scenario.name}`,
        command: clients[client],
        scenario,
      })),
    ),
  );

  describe('an unmodified client at a sidecar', () => {
    afterAll(() => close());

    test.concurrent.each(plays)(
      '$name',
      async ({ command, scenario }) => {
        const start = (env: Readonly<Record<string, string>>) => startClient(command, env);
        const { faults } = await runScenario(scenario, setScene, start);
        expect(faults).toEqual([]);
      },
      900_000,
    );
  });
}
