import { setTimeout as pause } from 'node:timers/promises';
import type { ClientAnswer, Client } from './client-process.ts';
import { checkAnswer } from './scenarios.ts';
import type { Conditions, ObjectName, Scenario, ScenarioStep } from './scenarios.ts';

/** Where a client finds itself: a sidecar and the cloud behind it. */
export type Fixture = {
  /** What the consumer is given: the injected environment and, for a private cloud, its endpoint. */
  env: Readonly<Record<string, string>>;
  /** `BUCKET/KEY` of each; both exist. */
  objects: Readonly<Record<ObjectName, string>>;
  change: (to: Partial<Conditions>) => Promise<void>;
  stop: () => Promise<void>;
};

/** Sets a scene: a sidecar without any run yet, and its cloud. */
export type CreateFixture = (conditions: Conditions) => Promise<Fixture>;

export type StartClient = (env: Fixture['env']) => Promise<Pick<Client, 'send' | 'stop'>>;

/** How a scenario went: no faults means that it passed. */
export type ScenarioOutcome = { scenario: string; faults: string[]; answers: number; ms: number };

type ScenarioRun = { send: Client['send']; fixture: Fixture; faults: string[]; answers: number };

/** Between two gets, so that a story does not measure how fast one can ask. */
const POLL_MS = 500;

/** Plays one scenario with one client on a scene of its own, and clears it whatever happens. */
export async function runScenario(
  scenario: Scenario,
  setScene: CreateFixture,
  actor: StartClient,
): Promise<ScenarioOutcome> {
  const startedAt = performance.now();
  const scene = await setScene(scenario.conditions);
  try {
    const client = await actor(scene.env);
    try {
      const { faults, answers } = await runSteps(scenario.steps, scene, client);
      const ms = Math.round(performance.now() - startedAt);
      return { scenario: scenario.name, faults, answers, ms };
    } finally {
      await client.stop();
    }
  } finally {
    await scene.stop();
  }
}

async function runSteps(
  steps: ScenarioStep[],
  fixture: Fixture,
  client: Pick<Client, 'send'>,
): Promise<ScenarioRun> {
  const play: ScenarioRun = { send: client.send, fixture, faults: [], answers: 0 };
  for (const [index, step] of steps.entries()) {
    try {
      const fault = await runStep(step, play);
      if (fault === undefined) continue;
      play.faults.push(`step ${index + 1}, ${step.do}: ${fault}`);
    } catch (error) {
      play.faults.push(`step ${index + 1}, ${step.do}: ${String(error)}`);
      break;
    }
  }
  return play;
}

async function runStep(step: ScenarioStep, play: ScenarioRun): Promise<string | undefined> {
  switch (step.do) {
    case 'get':
    case 'put':
      return checkOnce(step, play);
    case 'get until':
      return getUntilExpected(step, play);
    case 'keep getting':
      return keepGetting(step, play);
    case 'change':
      await play.fixture.change(step.to);
      return undefined;
  }
}

async function sendOperation(
  op: string,
  object: ObjectName,
  play: ScenarioRun,
): Promise<ClientAnswer> {
  const answer = await play.send(`${op} ${play.fixture.objects[object]}`);
  play.answers += 1;
  return answer;
}

async function checkOnce(
  step: Extract<ScenarioStep, { do: 'get' | 'put' }>,
  play: ScenarioRun,
): Promise<string | undefined> {
  const answer = await sendOperation(step.do, step.object, play);
  const fault = checkAnswer(answer, step.expect);
  if (fault !== undefined) return fault;
  if (answer.ms > step.withinMs) {
    return `expected an answer within ${step.withinMs} ms, got ${answer.ms}`;
  }
  if (answer.ms < (step.atLeastMs ?? 0)) {
    return `expected to wait ${step.atLeastMs ?? 0} ms at least, got ${answer.ms}`;
  }
  return undefined;
}

async function getUntilExpected(
  { expect, withinMs }: Extract<ScenarioStep, { do: 'get until' }>,
  play: ScenarioRun,
): Promise<string | undefined> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const fault = checkAnswer(await sendOperation('get', 'readable', play), expect);
    if (fault === undefined) return undefined;
    if (performance.now() > deadline) return `after ${withinMs} ms: ${fault}`;
    await pause(POLL_MS);
  }
}

async function keepGetting(
  { seconds, accessKeys }: Extract<ScenarioStep, { do: 'keep getting' }>,
  play: ScenarioRun,
): Promise<string | undefined> {
  const startedAt = performance.now();
  const seen = new Set<string | null>();
  while (performance.now() < startedAt + seconds * 1000) {
    const answer = await sendOperation('get', 'readable', play);
    const fault = checkAnswer(answer, 'served');
    const after = ((performance.now() - startedAt) / 1000).toFixed(1);
    if (fault !== undefined) return `after ${after} s: ${fault}`;
    seen.add(answer.accessKeyId);
    await pause(POLL_MS);
  }
  if (seen.size >= accessKeys) return undefined;
  return `expected ${accessKeys} access keys or more in ${seconds} s, got ${seen.size}`;
}
