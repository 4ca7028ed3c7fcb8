import { setTimeout as pause } from 'node:timers/promises';
import type { Answer, Client } from './client.ts';
import { judge } from './scenarios.ts';
import type { Conditions, ObjectName, Scenario, Step } from './scenarios.ts';

/** Where a client finds itself: a sidecar and the cloud behind it. */
export type Scene = {
  /** What the consumer is given: the injected environment and, for a private cloud, its endpoint. */
  env: Readonly<Record<string, string>>;
  /** `BUCKET/KEY` of each; both exist. */
  objects: Readonly<Record<ObjectName, string>>;
  change: (to: Partial<Conditions>) => Promise<void>;
  stop: () => Promise<void>;
};

/** Sets a scene: a sidecar without any run yet, and its cloud. */
export type SetScene = (conditions: Conditions) => Promise<Scene>;

export type Actor = (env: Scene['env']) => Promise<Pick<Client, 'send' | 'stop'>>;

/** How a scenario went: no faults means that it passed. */
export type Outcome = { scenario: string; faults: string[]; answers: number; ms: number };

type Play = { send: Client['send']; scene: Scene; faults: string[]; answers: number };

/** Between two gets, so that a story does not measure how fast one can ask. */
const POLL_MS = 500;

/** Plays one scenario with one client on a scene of its own, and clears it whatever happens. */
export async function playScenario(
  scenario: Scenario,
  setScene: SetScene,
  actor: Actor,
): Promise<Outcome> {
  const startedAt = performance.now();
  const scene = await setScene(scenario.conditions);
  try {
    const client = await actor(scene.env);
    try {
      const { faults, answers } = await playSteps(scenario.steps, scene, client);
      const ms = Math.round(performance.now() - startedAt);
      return { scenario: scenario.name, faults, answers, ms };
    } finally {
      await client.stop();
    }
  } finally {
    await scene.stop();
  }
}

async function playSteps(steps: Step[], scene: Scene, client: Pick<Client, 'send'>): Promise<Play> {
  const play: Play = { send: client.send, scene, faults: [], answers: 0 };
  for (const [index, step] of steps.entries()) {
    try {
      const fault = await playStep(step, play);
      if (fault === undefined) continue;
      play.faults.push(`step ${index + 1}, ${step.do}: ${fault}`);
    } catch (error) {
      play.faults.push(`step ${index + 1}, ${step.do}: ${String(error)}`);
      break;
    }
  }
  return play;
}

async function playStep(step: Step, play: Play): Promise<string | undefined> {
  switch (step.do) {
    case 'get':
    case 'put':
      return askOnce(step, play);
    case 'get until':
      return getUntil(step, play);
    case 'keep getting':
      return keepGetting(step, play);
    case 'change':
      await play.scene.change(step.to);
      return undefined;
  }
}

async function ask(op: string, object: ObjectName, play: Play): Promise<Answer> {
  const answer = await play.send(`${op} ${play.scene.objects[object]}`);
  play.answers += 1;
  return answer;
}

async function askOnce(
  step: Extract<Step, { do: 'get' | 'put' }>,
  play: Play,
): Promise<string | undefined> {
  const answer = await ask(step.do, step.object, play);
  const fault = judge(answer, step.expect);
  if (fault !== undefined) return fault;
  if (answer.ms > step.withinMs) {
    return `expected an answer within ${step.withinMs} ms, got ${answer.ms}`;
  }
  if (answer.ms < (step.atLeastMs ?? 0)) {
    return `expected to wait ${step.atLeastMs ?? 0} ms at least, got ${answer.ms}`;
  }
  return undefined;
}

async function getUntil(
  { expect, withinMs }: Extract<Step, { do: 'get until' }>,
  play: Play,
): Promise<string | undefined> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const fault = judge(await ask('get', 'readable', play), expect);
    if (fault === undefined) return undefined;
    if (performance.now() > deadline) return `after ${withinMs} ms: ${fault}`;
    await pause(POLL_MS);
  }
}

async function keepGetting(
  { seconds, accessKeys }: Extract<Step, { do: 'keep getting' }>,
  play: Play,
): Promise<string | undefined> {
  const startedAt = performance.now();
  const seen = new Set<string | null>();
  while (performance.now() < startedAt + seconds * 1000) {
    const answer = await ask('get', 'readable', play);
    const fault = judge(answer, 'served');
    const after = ((performance.now() - startedAt) / 1000).toFixed(1);
    if (fault !== undefined) return `after ${after} s: ${fault}`;
    seen.add(answer.accessKeyId);
    await pause(POLL_MS);
  }
  if (seen.size >= accessKeys) return undefined;
  return `expected ${accessKeys} access keys or more in ${seconds} s, got ${seen.size}`;
}
