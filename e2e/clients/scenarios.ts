import type { ClientAnswer } from './client-process.ts';

/** What the sidecar and the cloud behind it are told to be like. */
export type Conditions = {
  lifetimeSeconds: number;
  /** How long the exchange takes. */
  exchangeDelayMs: number;
  exchange: 'grants' | 'refuses';
};

export type Expectation =
  /** 200 by the cloud, with credentials of a run. */
  | 'served'
  /** 403 by the cloud to a signed request. */
  | 'refused by the cloud'
  /** An error before any request to the cloud was signed. */
  | 'refused by the sidecar'
  /** An error, whoever's. */
  | 'not served';

/** `readable` lies in the task's scope, `foreign` outside of it. */
export type ObjectName = 'readable' | 'foreign';

export type ScenarioStep =
  | {
      do: 'get' | 'put';
      object: ObjectName;
      expect: Expectation;
      withinMs: number;
      atLeastMs?: number;
    }
  /** Gets again and again until the expectation holds. */
  | { do: 'get until'; expect: Expectation; withinMs: number }
  /** Every get in these seconds is served, with this many different access keys at least. */
  | { do: 'keep getting'; seconds: number; accessKeys: number }
  | { do: 'change'; to: Partial<Conditions> };

export type Scenario = { name: string; conditions: Conditions; steps: ScenarioStep[] };

const minuteConditions: Conditions = {
  lifetimeSeconds: 60,
  exchangeDelayMs: 0,
  exchange: 'grants',
};
const secondsConditions: Conditions = { ...minuteConditions, lifetimeSeconds: 6 };

/** No SDK's own tries take longer than this, unless it hangs. */
const defaultWithinMs = 30_000;
const servedStep = {
  do: 'get',
  object: 'readable',
  expect: 'served',
  withinMs: defaultWithinMs,
} as const;
/** On a busy machine the first exchange may take longer than an SDK's own tries. */
const untilServed = { do: 'get until', expect: 'served', withinMs: defaultWithinMs } as const;
const refusedByCloud = { expect: 'refused by the cloud', withinMs: defaultWithinMs } as const;

/** What every SDK must show at its newest version. */
export const scenarios: Scenario[] = [
  {
    name: 'gets what its task allows and nothing else',
    conditions: minuteConditions,
    steps: [
      untilServed,
      { do: 'get', object: 'foreign', ...refusedByCloud },
      { do: 'put', object: 'readable', ...refusedByCloud },
    ],
  },
  {
    name: 'runs of 6 s follow one another unnoticed',
    conditions: secondsConditions,
    steps: [untilServed, { do: 'keep getting', seconds: 20, accessKeys: 3 }],
  },
  {
    name: 'runs of a minute follow one another unnoticed',
    conditions: minuteConditions,
    steps: [untilServed, { do: 'keep getting', seconds: 75, accessKeys: 2 }],
  },
  {
    name: 'a slow exchange is waited for',
    conditions: { ...minuteConditions, exchangeDelayMs: 1500 },
    steps: [{ ...servedStep, atLeastMs: 1000 }, servedStep],
  },
  {
    name: 'a refusal is an error, and a grant afterwards is found',
    conditions: { ...minuteConditions, exchange: 'refuses' },
    steps: [
      {
        do: 'get',
        object: 'readable',
        expect: 'refused by the sidecar',
        withinMs: defaultWithinMs,
      },
      { do: 'change', to: { exchange: 'grants' } },
      untilServed,
    ],
  },
  {
    name: 'the deadline ends it when no further run is granted',
    conditions: secondsConditions,
    steps: [
      untilServed,
      { do: 'change', to: { exchange: 'refuses' } },
      { do: 'get until', expect: 'not served', withinMs: defaultWithinMs },
      { do: 'get', object: 'readable', expect: 'not served', withinMs: defaultWithinMs },
    ],
  },
];

/** Too long for every run. */
export const longScenarios: Scenario[] = [
  {
    name: 'runs of ten minutes follow one another unnoticed',
    conditions: { ...minuteConditions, lifetimeSeconds: 600 },
    steps: [untilServed, { do: 'keep getting', seconds: 660, accessKeys: 2 }],
  },
];

/** What is wrong with an answer, or nothing. */
export function checkAnswer(answer: ClientAnswer, expected: Expectation): string | undefined {
  if (isExpectedAnswer(answer, expected)) return undefined;
  const { status, code, accessKeyId, message } = answer;
  const signed = accessKeyId === null ? 'unsigned' : 'signed';
  return `expected ${expected}, got status ${String(status)}, code ${String(code)}, ${signed}: ${message ?? ''}`;
}

function isExpectedAnswer(
  { status, code, accessKeyId }: ClientAnswer,
  expected: Expectation,
): boolean {
  const isSigned = accessKeyId !== null;
  switch (expected) {
    case 'served':
      return status === 200 && code === null && isSigned;
    case 'refused by the cloud':
      return status === 403 && code !== null && isSigned;
    case 'refused by the sidecar':
      return code !== null && !isSigned;
    case 'not served':
      return code !== null && status !== 200;
  }
}
