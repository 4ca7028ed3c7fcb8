import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startCaseCloud } from '../cases/embedded.ts';
import { clientNames } from '../clients/build.ts';
import { startClient } from '../clients/client.ts';
import { playScenario } from '../clients/player.ts';
import { longScenarios, scenarios } from '../clients/scenarios.ts';
import { sidecarProgram, sidecarScenes } from '../clients/sidecar-scene.ts';
import { execInPod } from '../cluster/kubectl.ts';
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

  const getObject = (key: string) => {
    const args = ['s3api', 'get-object', '--bucket', 'acme-data', '--key', key, '/dev/null'];
    return execInPod(cluster, place, [...stage.awscliCommand, ...args]);
  };

  test('reads what its task allows, by the injected environment alone', async () => {
    const { stdout } = await getObject('reports/q3.csv');
    expect(JSON.parse(stdout)).toHaveProperty('ContentLength');
  });

  test('is refused by the cloud elsewhere', async () => {
    await expect(getObject('secrets/keys.txt')).rejects.toThrow(/AccessDenied|403/);
  });
});

// The cloud behind these is the embedded one, which answers as the real ones do: once is enough.
if (cloud.name === 'minio') {
  // Concurrent tests do not wait for beforeAll.
  const { cloud: caseCloud, close } = await startCaseCloud();
  const setScene = sidecarScenes({ cloud: caseCloud, program: sidecarProgram() });
  const chosen = stage.isFull ? [...scenarios, ...longScenarios] : scenarios;
  const plays = clientNames.flatMap((client) =>
    chosen.map((scenario) => ({ client, scenario, name: scenario.name })),
  );

  describe('an unmodified client at a sidecar', () => {
    afterAll(() => close());

    test.concurrent.each(plays)(
      '$client: $name',
      async ({ client, scenario }) => {
        const start = (env: Readonly<Record<string, string>>) =>
          startClient(stage.clients[client], env);
        const { faults } = await playScenario(scenario, setScene, start);
        expect(faults).toEqual([]);
      },
      900_000,
    );
  });
}
