import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startCaseCloud } from '../cases/embedded.ts';
import { clientNames } from '../clients/build.ts';
import { startClient } from '../clients/client.ts';
import { playScenario } from '../clients/player.ts';
import { longScenarios, scenarios } from '../clients/scenarios.ts';
import { sidecarProgram, sidecarScenes } from '../clients/sidecar-scene.ts';
import { execInPod } from '../cluster/kubectl.ts';
import { CommandError } from '../cluster/run.ts';
import {
  agentContainer,
  cloud,
  cluster,
  createNamespace,
  readReports,
  runPod,
  stage,
} from './stage.ts';

describe(`awscli in a pod on ${cloud.name}`, () => {
  const place = { namespace: '', pod: 'awscli', container: 'awscli' };

  beforeAll(async () => {
    place.namespace = await createNamespace('awscli');
    const container = {
      ...agentContainer('awscli'),
      image: stage.images.awscli,
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
    return execInPod(cluster, place, [...stage.awscliCommand, ...args]);
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
if (stage.pass === 'minio-cluster') {
  // Concurrent tests do not wait for beforeAll.
  const { cloud: caseCloud, close } = await startCaseCloud();
  const setScene = sidecarScenes({ cloud: caseCloud, program: sidecarProgram() });
  const chosen = stage.isFull ? [...scenarios, ...longScenarios] : scenarios;
  const plays = Object.entries(stage.clients).flatMap(([edition, clients]) =>
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
        const { faults } = await playScenario(scenario, setScene, start);
        expect(faults).toEqual([]);
      },
      900_000,
    );
  });
}
