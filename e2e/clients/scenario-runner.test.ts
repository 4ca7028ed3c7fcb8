import { describe, expect, it } from '@jest/globals';
import type { ClientAnswer } from './client-process.ts';
import { runScenario } from './scenario-runner.ts';
import type { StartClient, CreateFixture, GatewayCall, GatewayView } from './scenario-runner.ts';
import { checkAnswer } from './scenarios.ts';
import type { Conditions, Expectation, ScenarioStep } from './scenarios.ts';

const servedAnswer: ClientAnswer = {
  op: 'get',
  key: 'data/one',
  status: 200,
  code: null,
  message: null,
  accessKeyId: 'ASIA0',
  ms: 5,
};
const refusedByCloud: ClientAnswer = { ...servedAnswer, status: 403, code: 'AccessDenied' };
const refusedBySidecar: ClientAnswer = { ...refusedByCloud, status: null, accessKeyId: null };

const gatewayMessage =
  'valetkey: s3:GetObject on arn:aws:s3:::data/two is outside task summarize (resource_outside)';

const conditions: Conditions = { lifetimeSeconds: 60, exchangeDelayMs: 0, exchange: 'grants' };

/** Creates a fixture whose client gives these answers in turn, and then repeats the last one. */
const createTestFixture = (answers: (ClientAnswer | Error)[], gateway?: GatewayView) => {
  const said: string[] = [];
  const changes: Partial<Conditions>[] = [];
  const stopped: string[] = [];
  const createFixture: CreateFixture = () =>
    Promise.resolve({
      env: { AWS_REGION: 'here' },
      objects: { readable: 'data/one', foreign: 'data/two', work: 'data/work' },
      change: (to) => Promise.resolve(void changes.push(to)),
      ...(gateway && { gateway }),
      stop: () => Promise.resolve(void stopped.push('fixture')),
    });
  const startClient: StartClient = () =>
    Promise.resolve({
      send: (line) => {
        const answer = answers[Math.min(said.push(line), answers.length) - 1] ?? servedAnswer;
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
      stop: () => Promise.resolve(void stopped.push('client')),
    });
  const play = (...steps: ScenarioStep[]) =>
    runScenario({ name: 'a scenario', conditions, steps }, createFixture, startClient);
  const playUpTo = (attempts: number, step: ScenarioStep) => {
    const scenario = { name: 'a scenario', conditions, steps: [step], attempts };
    return runScenario(scenario, createFixture, startClient);
  };
  return { play, playUpTo, said, changes, stopped };
};

const getStep: ScenarioStep = { do: 'get', object: 'readable', expect: 'served', withinMs: 1000 };

describe('checkAnswer', () => {
  it.each<[string, ClientAnswer, Expectation[]]>([
    ['200 to a signed request', servedAnswer, ['served']],
    ['403 to a signed request', refusedByCloud, ['refused by the cloud', 'not served']],
    ['an error without a request', refusedBySidecar, ['refused by the sidecar', 'not served']],
    ['200 to an unsigned request', { ...servedAnswer, accessKeyId: null }, []],
    ['200 with an error', { ...servedAnswer, code: 'Broken' }, []],
    [
      'the refusal of the gateway as an error of AWS',
      { ...refusedByCloud, message: gatewayMessage },
      ['refused by the cloud', 'refused by the gateway', 'not served'],
    ],
    [
      'the message of the gateway with another code',
      { ...refusedByCloud, code: 'Forbidden', message: gatewayMessage },
      ['refused by the cloud', 'not served'],
    ],
    ['404 to a signed request', { ...refusedByCloud, status: 404 }, ['not served']],
  ])('%s', (_, answer, met) => {
    const all: Expectation[] = [
      'served',
      'refused by the cloud',
      'refused by the gateway',
      'refused by the sidecar',
      'not served',
    ];
    expect(all.filter((expected) => checkAnswer(answer, expected) === undefined)).toEqual(met);
  });
});

describe('runScenario', () => {
  it('requests the objects of its fixture, and passes if every step meets its expectation', async () => {
    const { play, said } = createTestFixture([servedAnswer, refusedByCloud]);
    const foreign = { ...getStep, object: 'foreign', expect: 'refused by the cloud' } as const;
    const outcome = await play(getStep, foreign);
    expect(said).toEqual(['get data/one', 'get data/two']);
    expect(outcome).toMatchObject({ scenario: 'a scenario', faults: [], answers: 2 });
  });

  it('reports the step that failed, and continues', async () => {
    const { play, said } = createTestFixture([refusedByCloud, servedAnswer]);
    const { faults } = await play(getStep, getStep);
    expect(faults).toEqual([
      expect.stringMatching(/^step 1, get: expected served, got status 403/),
    ]);
    expect(said).toHaveLength(2);
  });

  it('reports an answer that is too late or too early', async () => {
    const { play } = createTestFixture([{ ...servedAnswer, ms: 2000 }, servedAnswer]);
    const { faults } = await play(getStep, { ...getStep, atLeastMs: 100 });
    expect(faults).toEqual([
      'step 1, get: expected an answer within 1000 ms, got 2000',
      'step 2, get: expected to wait 100 ms at least, got 5',
    ]);
  });

  it('stops everything if the client hangs', async () => {
    const { play, said, stopped } = createTestFixture([new Error('hung')]);
    const { faults } = await play(getStep, getStep);
    expect(faults).toEqual(['step 1, get: Error: hung']);
    expect(said).toHaveLength(1);
    expect(stopped).toEqual(['client', 'fixture']);
  });

  it('runs a scenario again on a new fixture, as often as it may, until it passes', async () => {
    const late = createTestFixture([refusedBySidecar, refusedBySidecar, servedAnswer]);
    expect((await late.playUpTo(3, getStep)).faults).toEqual([]);
    expect(late.stopped).toHaveLength(6);
    const never = createTestFixture([refusedBySidecar]);
    expect((await never.playUpTo(2, getStep)).faults).toHaveLength(1);
    expect(never.said).toHaveLength(2);
  });

  it('repeats "get until" until the expectation is met', async () => {
    const { play, changes } = createTestFixture([servedAnswer, refusedBySidecar]);
    const until = { do: 'get until', expect: 'refused by the sidecar', withinMs: 5000 } as const;
    const { faults, answers } = await play({ do: 'change', to: { exchange: 'refuses' } }, until);
    expect(changes).toEqual([{ exchange: 'refuses' }]);
    expect({ faults, answers }).toEqual({ faults: [], answers: 2 });
  });

  it('counts access keys during "keep getting", and reports every error', async () => {
    const twoKeys = { do: 'keep getting', seconds: 0.6, runs: 2 } as const;
    const same = await createTestFixture([servedAnswer]).play(twoKeys);
    expect(same.faults[0]).toMatch(/expected 2 runs or more, got 1$/);
    const renewed = await createTestFixture([
      servedAnswer,
      { ...servedAnswer, accessKeyId: 'ASIA1' },
    ]).play(twoKeys);
    expect(renewed.faults).toEqual([]);
    const failing = await createTestFixture([servedAnswer, refusedByCloud]).play(twoKeys);
    expect(failing.faults[0]).toMatch(/after 0.[5-9] s: expected served, got status 403/);
  }, 60_000);
});

/** Creates the view of a gateway that saw these calls, and whose sidecar is back as soon as `restarted` is resolved. */
const createView = (calls: GatewayCall[], restarted = Promise.resolve()): GatewayView => ({
  countRuns: () => 1,
  takeCalls: () => Promise.resolve(calls),
  restart: () => restarted,
});

const allowedCall: GatewayCall = { outcome: 'allowed', code: '' };
const servedByGateway: ClientAnswer = { ...servedAnswer, accessKeyId: 'VALETKEYAAAA' };

describe('runScenario at a gateway', () => {
  it('expects a refusal of the gateway from clients that do not know the status', async () => {
    const answer = {
      ...{ ...servedByGateway, status: null, accessKeyId: null },
      ...{ code: 'AccessDenied', message: gatewayMessage },
    };
    const step = { ...getStep, expect: 'refused by the gateway' } as const;
    const refusedCall = { outcome: 'refused', code: 'resource_outside' };
    const refused = await createTestFixture([answer], createView([refusedCall])).play(step);
    expect(refused.faults).toEqual([]);
    const other = await createTestFixture([answer], createView([allowedCall])).play(step);
    expect(other.faults[0]).toMatch(/expected refused by the gateway, got status null/);
  });

  it('writes an object of each size, and expects chunks of those that send them', async () => {
    const view = createView([allowedCall]);
    const { play, said } = createTestFixture([{ ...servedByGateway, isChunked: false }], view);
    const step = { do: 'round trip', bytes: 17, isChunked: false } as const;
    const { faults } = await play(step, { ...step, isChunked: true });
    expect(said[0]).toBe('roundtrip data/work/round-trip-17 17');
    expect(faults).toEqual([
      'step 2, round trip: 17 bytes: expected a body in aws-chunked, got none',
    ]);
  });

  const killStep = { do: 'keep getting through a kill' } as const;
  const unanswered: ClientAnswer = { ...servedByGateway, status: null, code: 'ECONNREFUSED' };

  it('accepts errors of the connection until the killed sidecar serves again', async () => {
    const answers = [servedByGateway, servedByGateway, unanswered, unanswered, servedByGateway];
    const { faults, answers: count } = await createTestFixture(answers, createView([])).play(
      killStep,
    );
    expect(faults).toEqual([]);
    expect(count).toBeGreaterThan(answers.length);
  });

  it.each([
    [
      'a refusal while the sidecar is away',
      [servedByGateway, refusedByCloud],
      /after 0 reads from the new sidecar: expected served, got status 403/,
    ],
    [
      'an error after the sidecar served again',
      [servedByGateway, servedByGateway, servedByGateway, unanswered],
      /after 1 reads from the new sidecar: expected served, got status null/,
    ],
    [
      'another access key',
      [servedByGateway, { ...servedByGateway, accessKeyId: 'VALETKEYBBBB' }],
      /expected the same local keys, got VALETKEYAAAA and then VALETKEYBBBB/,
    ],
  ])('reports %s', async (_, answers, fault) => {
    const { faults } = await createTestFixture(answers, createView([])).play(killStep);
    expect(faults[0]).toMatch(fault);
  });
});
