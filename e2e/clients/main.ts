/**
 * Plays the scenarios with every client, in front of our sidecar and the embedded cloud:
 * `node e2e/clients/main.ts [--fake] [--oldest] [--long] [--client NAME] [--only WORDS]`
 */
import { parseArgs } from 'node:util';
import { startEmbeddedCaseCloud } from '../cases/embedded-case-cloud.ts';
import { startProgress } from '../cluster/progress.ts';
import { buildClients, clientNames } from './client-builds.ts';
import type { ClientName } from './client-builds.ts';
import { startClient } from './client-process.ts';
import { createFakeFixture } from './fake-fixture.ts';
import { runScenario } from './scenario-runner.ts';
import type { ScenarioOutcome, CreateFixture } from './scenario-runner.ts';
import { findSidecarProgram, createSidecarFixtures } from './sidecar-fixture.ts';
import { longScenarios, scenarios } from './scenarios.ts';

const { values } = parseArgs({
  options: {
    fake: { type: 'boolean', default: false },
    oldest: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    client: { type: 'string' },
    only: { type: 'string', default: '' },
    sidecar: { type: 'string', default: findSidecarProgram() },
  },
});
const progress = startProgress();
const clients = await buildClients(progress, values.oldest ? 'oldest' : 'newest');
const selectedScenarios = (values.long ? longScenarios : scenarios).filter(({ name }) =>
  name.includes(values.only),
);
const selectedClients = clientNames.filter((each) => (values.client ?? each) === each);
const fixtures = await startFixtures();
const failures = await Promise.all(selectedClients.map(runScenarios));
await fixtures.close();
process.exitCode = failures.every((failed) => failed === 0) ? 0 : 1;

/** Without `--fake`: one cloud for all scenes, and a sidecar of our own for each. */
async function startFixtures(): Promise<{ setScene: CreateFixture; close: () => Promise<void> }> {
  if (values.fake) return { setScene: createFakeFixture, close: () => Promise.resolve() };
  const { cloud, close } = await startEmbeddedCaseCloud();
  return { setScene: createSidecarFixtures({ cloud, program: values.sidecar }), close };
}

/** Each client plays on scenes of its own: all clients play at once, since most of it is waiting. */
async function runScenarios(name: ClientName): Promise<number> {
  let failed = 0;
  for (const scenario of selectedScenarios) {
    const outcome = await runScenario(scenario, fixtures.setScene, (env) =>
      startClient(clients[name], env),
    );
    if (outcome.faults.length > 0) failed += 1;
    progress(formatOutcome(name, outcome));
  }
  return failed;
}

function formatOutcome(name: string, { scenario, faults, answers, ms }: ScenarioOutcome): string {
  const verdict = faults.length === 0 ? 'passed' : 'FAILED';
  const first = `${verdict}  ${name}: ${scenario} (${answers} answers, ${ms} ms)`;
  return [first, ...faults.map((fault) => `        ${fault}`)].join('\n');
}
