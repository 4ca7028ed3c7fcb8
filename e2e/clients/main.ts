/**
 * Plays the scenarios with every client, in front of our sidecar and the embedded cloud:
 * `node e2e/clients/main.ts [--fake] [--oldest] [--long] [--client NAME] [--only WORDS]`
 */
import { parseArgs } from 'node:util';
import { startCaseCloud } from '../cases/embedded.ts';
import { startProgress } from '../cluster/progress.ts';
import { buildClients, clientNames } from './build.ts';
import type { ClientName } from './build.ts';
import { startClient } from './client.ts';
import { setFakeScene } from './fake-scene.ts';
import { playScenario } from './player.ts';
import type { Outcome, SetScene } from './player.ts';
import { sidecarProgram, sidecarScenes } from './sidecar-scene.ts';
import { longScenarios, scenarios } from './scenarios.ts';

const { values } = parseArgs({
  options: {
    fake: { type: 'boolean', default: false },
    oldest: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    client: { type: 'string' },
    only: { type: 'string', default: '' },
    sidecar: { type: 'string', default: sidecarProgram() },
  },
});
const progress = startProgress();
const clients = await buildClients(progress, values.oldest ? 'oldest' : 'newest');
const played = (values.long ? longScenarios : scenarios).filter(({ name }) =>
  name.includes(values.only),
);
const named = clientNames.filter((each) => (values.client ?? each) === each);
const stage = await openStage();
const failures = await Promise.all(named.map(playAll));
await stage.close();
process.exitCode = failures.every((failed) => failed === 0) ? 0 : 1;

/** Without `--fake`: one cloud for all scenes, and a sidecar of our own for each. */
async function openStage(): Promise<{ setScene: SetScene; close: () => Promise<void> }> {
  if (values.fake) return { setScene: setFakeScene, close: () => Promise.resolve() };
  const { cloud, close } = await startCaseCloud();
  return { setScene: sidecarScenes({ cloud, program: values.sidecar }), close };
}

/** Each client plays on scenes of its own: all clients play at once, since most of it is waiting. */
async function playAll(name: ClientName): Promise<number> {
  let failed = 0;
  for (const scenario of played) {
    const outcome = await playScenario(scenario, stage.setScene, (env) =>
      startClient(clients[name], env),
    );
    if (outcome.faults.length > 0) failed += 1;
    progress(describe(name, outcome));
  }
  return failed;
}

function describe(name: string, { scenario, faults, answers, ms }: Outcome): string {
  const verdict = faults.length === 0 ? 'passed' : 'FAILED';
  const first = `${verdict}  ${name}: ${scenario} (${answers} answers, ${ms} ms)`;
  return [first, ...faults.map((fault) => `        ${fault}`)].join('\n');
}
