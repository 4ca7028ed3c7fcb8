/**
 * Runs the scenarios with every client, at a sidecar in front of the embedded cloud:
 * `node e2e/clients/main.ts [--fake] [--oldest] [--long] [--client NAME] [--only WORDS]
 * [--program PATH]`, where a program of your own speaks the protocol of client-process.ts. With `--read-timeouts` it
 * measures instead how long each client waits for an answer.
 */
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbeddedCaseCloud } from '../cases/embedded-case-cloud.ts';
import { startProgress } from '../cluster/progress.ts';
import { buildClients, buildSignClients } from './client-builds.ts';
import { formatReadTimeout, measureReadTimeout } from './read-timeouts.ts';
import { startClient } from './client-process.ts';
import type { ClientCommand } from './client-process.ts';
import { createFakeFixture } from './fake-fixture.ts';
import { runScenario } from './scenario-runner.ts';
import type { ScenarioOutcome, CreateFixture } from './scenario-runner.ts';
import { findSidecarProgram, createSidecarFixtures } from './sidecar-fixture.ts';
import { listScenarios, longScenarios } from './scenarios.ts';

type NamedClient = [name: string, command: ClientCommand];

const { values } = parseArgs({
  options: {
    fake: { type: 'boolean', default: false },
    oldest: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    'read-timeouts': { type: 'boolean', default: false },
    client: { type: 'string' },
    only: { type: 'string', default: '' },
    program: { type: 'string' },
    sidecar: { type: 'string', default: findSidecarProgram() },
  },
});
const progress = startProgress();
const clients = await selectClients();
if (values['read-timeouts']) await Promise.all(clients.map(printReadTimeout));
else process.exitCode = (await runAllScenarios()) ? 0 : 1;

async function printReadTimeout([name, command]: NamedClient): Promise<void> {
  const waitedMs = await measureReadTimeout(command);
  progress(`${name} waits for an answer: ${formatReadTimeout(waitedMs)}`);
}

/** Whether all passed. */
async function runAllScenarios(): Promise<boolean> {
  const fixtures = await startFixtures();
  const failures = await Promise.all(
    clients.map((client) => runScenarios(client, fixtures.createFixture)),
  );
  await fixtures.close();
  return failures.every((failed) => failed === 0);
}

/** The program that `--program` names, or the built clients that `--client` selects. */
async function selectClients(): Promise<NamedClient[]> {
  const { program } = values;
  if (program !== undefined) return [[basename(program), { command: program, args: [] }]];
  const built: Record<string, ClientCommand> = await buildClients(
    progress,
    values.oldest ? 'oldest' : 'newest',
  );
  if (values['read-timeouts']) Object.assign(built, await buildSignClients(progress));
  return Object.entries(built).filter(([name]) => (values.client ?? name) === name);
}

/** Without `--fake`: one cloud for all fixtures, and a sidecar for each. */
async function startFixtures(): Promise<{
  createFixture: CreateFixture;
  close: () => Promise<void>;
}> {
  if (values.fake) return { createFixture: createFakeFixture, close: () => Promise.resolve() };
  const { cloud, close } = await startEmbeddedCaseCloud();
  return { createFixture: createSidecarFixtures({ cloud, program: values.sidecar }), close };
}

/** Each client has its own fixtures, and all clients run at once, because they mostly wait. */
async function runScenarios(
  [name, command]: NamedClient,
  createFixture: CreateFixture,
): Promise<number> {
  let failed = 0;
  const scenarios = values.long ? longScenarios : listScenarios(name);
  for (const scenario of scenarios.filter((each) => each.name.includes(values.only))) {
    const outcome = await runScenario(scenario, createFixture, (env) => startClient(command, env));
    if (outcome.faults.length > 0) failed += 1;
    progress(formatOutcome(name, outcome));
  }
  return failed;
}

function formatOutcome(name: string, { scenario, faults, answers, ms }: ScenarioOutcome): string {
  const outcome = faults.length === 0 ? 'passed' : 'FAILED';
  const first = `${outcome}  ${name}: ${scenario} (${answers} answers, ${ms} ms)`;
  return [first, ...faults.map((fault) => `        ${fault}`)].join('\n');
}
