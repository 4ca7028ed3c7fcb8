import { setTimeout as pause } from 'node:timers/promises';
import type { ClientAnswer, Client } from './client-process.ts';
import { getThroughKill } from './kill-step.ts';
import { checkAnswer } from './scenarios.ts';
import type { Conditions, ObjectName, Scenario, ScenarioStep } from './scenarios.ts';

/** What a client runs against: a sidecar and the cloud behind it. */
export type Fixture = {
  /** The consumer's environment: injected variables and, for a private cloud, its endpoint. */
  env: Readonly<Record<string, string>>;
  /** `BUCKET/KEY` of each; both exist. */
  objects: Readonly<Record<ObjectName, string>>;
  change: (to: Partial<Conditions>) => Promise<void>;
  /** Only if the gateway signs the calls. */
  gateway?: GatewayView;
  stop: () => Promise<void>;
};

/** What a fixture knows of the gateway that signs the client's calls. */
export type GatewayView = {
  /** Counts the runs that were issued so far. */
  countRuns: () => number;
  /** Reads the gateway's calls since the last reading: the outcome and the code of each. */
  takeCalls: () => Promise<GatewayCall[]>;
  /** Kills the sidecar and starts it again. */
  restart: () => Promise<void>;
};

export type GatewayCall = { outcome: string; code: string };

/** Creates a fixture: a sidecar without a run, and its cloud. */
export type CreateFixture = (conditions: Conditions) => Promise<Fixture>;

export type StartClient = (env: Fixture['env']) => Promise<Pick<Client, 'send' | 'stop'>>;

/** The result of a scenario, which passed if there are no faults. */
export type ScenarioOutcome = { scenario: string; faults: string[]; answers: number; ms: number };

type ScenarioRun = { send: Client['send']; fixture: Fixture; faults: string[]; answers: number };

/** Pause between two reads. */
const POLL_MS = 500;
/** A round trip is two calls. */
const ROUND_TRIP_TIMEOUT_MS = 120_000;
/** A step waits for renewals up to this many times its time. */
const MAX_TIMES = 6;

/**
 * Runs one scenario with one client, up to `scenario.attempts` times until it passes. Each attempt has a
 * new fixture, which is always stopped.
 */
export async function runScenario(
  scenario: Scenario,
  createFixture: CreateFixture,
  startClient: StartClient,
): Promise<ScenarioOutcome> {
  const { attempts = 1 } = scenario;
  const outcome = await runOnce(scenario, createFixture, startClient);
  return outcome.faults.length > 0 && attempts > 1
    ? runScenario({ ...scenario, attempts: attempts - 1 }, createFixture, startClient)
    : outcome;
}

async function runOnce(
  scenario: Scenario,
  createFixture: CreateFixture,
  startClient: StartClient,
): Promise<ScenarioOutcome> {
  const startedAt = performance.now();
  const fixture = await createFixture(scenario.conditions);
  try {
    const client = await startClient(fixture.env);
    try {
      const { faults, answers } = await runSteps(scenario.steps, fixture, client);
      const ms = Math.round(performance.now() - startedAt);
      return { scenario: scenario.name, faults, answers, ms };
    } finally {
      await client.stop();
    }
  } finally {
    await fixture.stop();
  }
}

async function runSteps(
  steps: ScenarioStep[],
  fixture: Fixture,
  client: Pick<Client, 'send'>,
): Promise<ScenarioRun> {
  const state: ScenarioRun = { send: client.send, fixture, faults: [], answers: 0 };
  for (const [index, step] of steps.entries()) {
    try {
      const fault = await runStep(step, state);
      if (fault === undefined) continue;
      state.faults.push(`step ${index + 1}, ${step.do}: ${fault}`);
    } catch (error) {
      state.faults.push(`step ${index + 1}, ${step.do}: ${String(error)}`);
      break;
    }
  }
  return state;
}

async function runStep(step: ScenarioStep, state: ScenarioRun): Promise<string | undefined> {
  switch (step.do) {
    case 'get':
    case 'put':
      return checkOnce(step, state);
    case 'get until':
      return getUntilExpected(step, state);
    case 'keep getting':
      return keepGetting(step, state);
    case 'operate':
      return checkOperation(step, state);
    case 'round trip':
      return checkRoundTrip(step, state);
    case 'keep getting through a kill':
      return keepGettingThroughKill(state);
    case 'change':
      await state.fixture.change(step.to);
      return undefined;
  }
}

async function sendOperation(
  op: string,
  object: ObjectName,
  state: ScenarioRun,
): Promise<ClientAnswer> {
  return sendLine(`${op} ${state.fixture.objects[object]}`, state);
}

async function sendLine(
  line: string,
  state: ScenarioRun,
  timeoutMs?: number,
): Promise<ClientAnswer> {
  const { gateway } = state.fixture;
  const answer = await state.send(line, timeoutMs);
  state.answers += 1;
  return gateway === undefined ? answer : withCalls(answer, await gateway.takeCalls());
}

/**
 * Adds what the gateway saw to an answer: that the call was signed and that it was refused, for clients that do not
 * know their access key and the status, and an error if the client's result is not that of the gateway.
 */
function withCalls(answer: ClientAnswer, calls: GatewayCall[]): ClientAnswer {
  const accessKeyId = answer.accessKeyId ?? (calls.length > 0 ? LOCAL_KEY_PREFIX : null);
  const signed = { ...answer, accessKeyId };
  if (accessKeyId?.startsWith(LOCAL_KEY_PREFIX) === false) {
    return { ...signed, code: 'ForeignKey', message: `signed with ${accessKeyId}` };
  }
  if (answer.code === null) {
    return calls.some(({ outcome }) => outcome === 'allowed')
      ? signed
      : { ...signed, code: 'NotCounted', message: 'the gateway allowed no call' };
  }
  const isRefused = calls.some(({ code }) => code.endsWith('_outside'));
  return isRefused && answer.status === null ? { ...signed, status: 403 } : signed;
}

const LOCAL_KEY_PREFIX = 'VALETKEY';

/** A client checks the results of these operations, and reports a difference as an error. */
async function checkOperation(
  { operation }: Extract<ScenarioStep, { do: 'operate' }>,
  state: ScenarioRun,
): Promise<string | undefined> {
  const fault = checkAnswer(await sendOperation(operation, 'work', state), 'served');
  return fault === undefined ? undefined : `${operation}: ${fault}`;
}

async function checkRoundTrip(
  { bytes, isChunked }: Extract<ScenarioStep, { do: 'round trip' }>,
  state: ScenarioRun,
): Promise<string | undefined> {
  const object = `${state.fixture.objects.work}/round-trip-${bytes}`;
  const answer = await sendLine(`roundtrip ${object} ${bytes}`, state, ROUND_TRIP_TIMEOUT_MS);
  const fault = checkAnswer(answer, 'served');
  if (fault !== undefined) return `${bytes} bytes: ${fault}`;
  return isChunked && answer.isChunked !== true
    ? `${bytes} bytes: expected a body in aws-chunked, got none`
    : undefined;
}

async function checkOnce(
  step: Extract<ScenarioStep, { do: 'get' | 'put' }>,
  state: ScenarioRun,
): Promise<string | undefined> {
  const answer = await sendOperation(step.do, step.object, state);
  const fault = checkAnswer(answer, step.expect, step.report);
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
  state: ScenarioRun,
): Promise<string | undefined> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const fault = checkAnswer(await sendOperation('get', 'readable', state), expect);
    if (fault === undefined) return undefined;
    if (performance.now() > deadline) return `after ${withinMs} ms: ${fault}`;
    await pause(POLL_MS);
  }
}

async function keepGetting(
  { seconds, runs }: Extract<ScenarioStep, { do: 'keep getting' }>,
  state: ScenarioRun,
): Promise<string | undefined> {
  const { gateway } = state.fixture;
  const startedAt = performance.now();
  const seen = new Set<string | null>();
  const runsBefore = gateway?.countRuns() ?? 0;
  // The current run counts.
  const countRuns = (): number =>
    gateway === undefined ? seen.size : gateway.countRuns() - runsBefore + 1;
  const isOver = (times: number): boolean => performance.now() > startedAt + seconds * 1000 * times;
  // A client that is a process per call gets few answers on a busy machine.
  while (!isOver(1) || (countRuns() < runs && !isOver(MAX_TIMES))) {
    const answer = await sendOperation('get', 'readable', state);
    const fault = checkAnswer(answer, 'served');
    const after = ((performance.now() - startedAt) / 1000).toFixed(1);
    if (fault !== undefined) return `after ${after} s: ${fault}`;
    seen.add(answer.accessKeyId);
    await pause(POLL_MS);
  }
  if (gateway !== undefined && seen.size !== 1) {
    return `expected the same local keys in all runs, got ${[...seen].join(', ')}`;
  }
  if (countRuns() >= runs) return undefined;
  return `expected ${runs} runs or more, got ${countRuns()}`;
}

/** What the gateway saw cannot be read while it is away. */
async function keepGettingThroughKill(state: ScenarioRun): Promise<string | undefined> {
  const { gateway, objects } = state.fixture;
  if (gateway === undefined) return 'expected a gateway, whose sidecar can be killed';
  const get = async (): Promise<ClientAnswer> => {
    const answer = await state.send(`get ${objects.readable}`);
    state.answers += 1;
    return { ...answer, accessKeyId: answer.accessKeyId ?? LOCAL_KEY_PREFIX };
  };
  return getThroughKill(get, gateway.restart);
}
