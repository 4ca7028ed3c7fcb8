import type { ClientAnswer } from './client-process.ts';

/** Settings of the sidecar and of the cloud behind it. */
export type Conditions = {
  lifetimeSeconds: number;
  /** Duration of an exchange. */
  exchangeDelayMs: number;
  exchange: 'grants' | 'refuses';
  /**
   * What the task allows: to read `readable`, or that and to write objects below `work`, or everything on `work`.
   * `guide`: the two tasks of docs/guides/README.md. Default: `read`.
   */
  scope?: 'read' | 'read and write' | 'work' | 'guide';
};

export type Expectation =
  /** The cloud returns 200 to credentials of a run. */
  | 'served'
  /** The cloud returns 403 to a signed request. */
  | 'refused by the cloud'
  /** The gateway refuses a signed request, and the client reports what a {@link RefusalReport} says. */
  | 'refused by the gateway'
  /** An error, before any request to the cloud was signed. */
  | 'refused by the sidecar'
  /** Any error. */
  | 'not served';

/** What the error of a client contains if the gateway refuses. */
export type RefusalReport = { code: RegExp; message: RegExp };

/** `readable` is in the scope of the task, `foreign` is not; `work` is a prefix without objects. */
export type ObjectName = 'readable' | 'foreign' | 'work';

/** Operations that a client checks itself. */
export const operationNames = ['multipart', 'range', 'list', 'copy', 'delete', 'tag'] as const;
export type OperationName = (typeof operationNames)[number];

export type ScenarioStep =
  | {
      do: 'get' | 'put';
      object: ObjectName;
      expect: Expectation;
      withinMs: number;
      atLeastMs?: number;
      /** For `refused by the gateway`. Default: {@link fullReport}. */
      report?: RefusalReport;
    }
  /** Writes an object of this size below `work`, and reads the same bytes. */
  | { do: 'round trip'; bytes: number; isChunked: boolean }
  /** Repeats the read until the expectation is met. */
  | { do: 'get until'; expect: Expectation; withinMs: number }
  /** Every read in these seconds succeeds, in at least this many runs. */
  | { do: 'keep getting'; seconds: number; runs: number }
  | { do: 'operate'; operation: OperationName }
  /** Kills the sidecar during a read: a read may fail only if it began before the sidecar was back. */
  | { do: 'keep getting through a kill' }
  | { do: 'change'; to: Partial<Conditions> };

export type Scenario = {
  name: string;
  conditions: Conditions;
  steps: ScenarioStep[];
  /** How often it may be run until it passes; default once. */
  attempts?: number;
};

const minuteConditions: Conditions = {
  lifetimeSeconds: 60,
  exchangeDelayMs: 0,
  exchange: 'grants',
};
/** Longer than the attempts of any SDK that does not hang. */
const defaultWithinMs = 30_000;
const servedStep = {
  do: 'get',
  object: 'readable',
  expect: 'served',
  withinMs: defaultWithinMs,
} as const;
/** On a busy machine the first exchange may take longer than an SDK's own attempts. */
const untilServed = { do: 'get until', expect: 'served', withinMs: defaultWithinMs } as const;
const refusedByCloud = { expect: 'refused by the cloud', withinMs: defaultWithinMs } as const;

/** Under `sign`, {@link buildTaskScenario} is in its place. */
const taskName = 'reads what its task allows and nothing else';
/** Left out under `sign`, where runs of a few seconds show the same in less time. */
const minuteRenewalName = 'does not notice the renewal of runs of one minute';

/** A run of this many seconds is the shortest with which a client that is not listed works without errors. */
const SHORTEST_RUN_SECONDS = 6;
/** OpenDAL never uses credentials that expire within about 10 s; runs of 20 s already fail at times. */
const SHORTEST_RUN_SECONDS_OF: Readonly<Record<string, number>> = { opendal: 30 };

/** Returns the scenarios that the newest version of a client must pass. */
export function listScenarios(client: string): Scenario[] {
  const seconds = getShortestRunSeconds(client);
  return [...scenarios, buildRenewalScenario(seconds), buildDeadlineScenario(seconds)];
}

/**
 * Returns the scenarios of {@link listScenarios} that a short run has under `vend`: what the task allows, and the
 * renewal of short runs. It has the others under `sign`, where a client asks for its keys in the same way.
 */
export function listShortScenarios(client: string): Scenario[] {
  return [taskScenario, buildRenewalScenario(getShortestRunSeconds(client))];
}

function getShortestRunSeconds(client: string): number {
  return SHORTEST_RUN_SECONDS_OF[client] ?? SHORTEST_RUN_SECONDS;
}

/** Clients that perform {@link operationNames}. */
const operatingClients: readonly string[] = ['javascript', 'boto3'];

/**
 * Returns the scenarios that a client must pass if the gateway signs its calls.
 *
 * @param refused operations that the cloud itself refuses
 */
export function listSignScenarios(
  client: string,
  refused: readonly OperationName[] = [],
): Scenario[] {
  const replaced = [taskName, minuteRenewalName];
  const shared = listScenarios(client).filter(({ name }) => !replaced.includes(name));
  return [
    buildTaskScenario(client),
    ...shared,
    restartScenario,
    ...(operatingClients.includes(client) ? [buildOperationScenario(refused)] : []),
  ];
}

const restartScenario: Scenario = {
  name: 'goes on with its keys after the sidecar is killed',
  conditions: minuteConditions,
  steps: [
    untilServed,
    { do: 'keep getting through a kill' },
    { do: 'keep getting', seconds: 1, runs: 1 },
  ],
};

const MEBIBYTE = 1024 * 1024;
/** The larger is sent in several chunks, and by some clients in several parts. */
const ROUND_TRIP_BYTES = [4096, 6 * MEBIBYTE + 1];

/** Clients that send bodies in aws-chunked over HTTP, and whose programs see it. */
const chunkingClients: readonly string[] = ['javascript', 'java'];

const buildTaskScenario = (client: string): Scenario => {
  const refused = { expect: 'refused by the gateway', withinMs: defaultWithinMs } as const;
  const { get = fullReport, put = fullReport } = otherReports[client] ?? {};
  const isChunked = chunkingClients.includes(client);
  return {
    name: 'reads and writes what its task allows and nothing else',
    conditions: { ...minuteConditions, scope: 'read and write' },
    steps: [
      untilServed,
      { do: 'get', object: 'foreign', ...refused, report: get },
      { do: 'put', object: 'readable', ...refused, report: put },
      ...ROUND_TRIP_BYTES.map((bytes) => ({ do: 'round trip', bytes, isChunked }) as const),
    ],
  };
};

const OUR_MESSAGE = /valetkey: s3:\w+ on arn:aws:s3:::\S+ is outside task summarize/;

/** The code of AWS and our message. */
export const fullReport: RefusalReport = { code: /^AccessDenied$/, message: OUR_MESSAGE };

/** An error of the client's own, whose message has the code of AWS, `between`, and our message. */
const wrapReport = (code: RegExp, between: string): RefusalReport => ({
  code,
  message: new RegExp(`(?:AccessDenied|ACCESS_DENIED)${between}${OUR_MESSAGE.source}`),
});

/** The response to HEAD has no body, so that the client knows the status only. */
const reportHead = (code: RegExp, message: RegExp): RefusalReport => ({ code, message });

/**
 * What clients report that have no code of AWS in a field of their error. With HEAD there are three of them: they ask
 * for the size of an object before they read it.
 */
const otherReports: Readonly<Record<string, { get: RefusalReport; put: RefusalReport }>> = {
  object_store: bothReports(wrapReport(/^PermissionDeniedError$/, '</Code><Message>')),
  opendal: bothReports(wrapReport(/^PermissionDenied$/, '", message: "')),
  pyarrow: {
    get: reportHead(/^OSError$/, /ACCESS_DENIED during HeadObject operation: No response body/),
    put: wrapReport(/^OSError$/, ' during PutObject operation: '),
  },
  s3fs: {
    get: reportHead(/^PermissionError$/, /^Forbidden$/),
    // It translates the code AccessDenied to its class of errors.
    put: { code: /^PermissionError$/, message: OUR_MESSAGE },
  },
  duckdb: bothReports(wrapReport(/^HTTPException$/, ': ')),
  rclone: {
    get: reportHead(/^RuntimeError$/, /HeadObject, https response error StatusCode: 403/),
    put: wrapReport(/^RuntimeError$/, ': '),
  },
};

function bothReports(report: RefusalReport): { get: RefusalReport; put: RefusalReport } {
  return { get: report, put: report };
}

const buildOperationScenario = (refused: readonly OperationName[]): Scenario => ({
  name: 'uses the operations of S3',
  conditions: { ...minuteConditions, scope: 'work' },
  steps: operationNames
    .filter((operation) => !refused.includes(operation))
    .map((operation) => ({ do: 'operate', operation })),
});

/** Between the waits of the sidecar: longer than for the SDK for Java, shorter than for others (1.8 s). */
const SLOW_EXCHANGE_MS = 1200;

const taskScenario: Scenario = {
  name: taskName,
  conditions: minuteConditions,
  steps: [
    untilServed,
    { do: 'get', object: 'foreign', ...refusedByCloud },
    { do: 'put', object: 'readable', ...refusedByCloud },
  ],
};

const scenarios: Scenario[] = [
  taskScenario,
  {
    name: minuteRenewalName,
    conditions: minuteConditions,
    steps: [untilServed, { do: 'keep getting', seconds: 75, runs: 2 }],
  },
  {
    name: 'waits for a slow exchange',
    conditions: { ...minuteConditions, exchangeDelayMs: SLOW_EXCHANGE_MS },
    steps: [{ ...servedStep, atLeastMs: 1000 }, servedStep],
    // A busy machine adds to the exchange, and a client that never retries fails if the sum exceeds 1.8 s.
    attempts: 5,
  },
  {
    name: 'reports a refusal as an error, and succeeds once exchanges are accepted',
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
];

function buildRenewalScenario(lifetimeSeconds: number): Scenario {
  return {
    name: `does not notice the renewal of runs of ${lifetimeSeconds} s`,
    conditions: { ...minuteConditions, lifetimeSeconds },
    steps: [untilServed, { do: 'keep getting', seconds: lifetimeSeconds * 3 + 2, runs: 3 }],
  };
}

function buildDeadlineScenario(lifetimeSeconds: number): Scenario {
  const untilEndMs = lifetimeSeconds * 1000 + defaultWithinMs;
  return {
    name: 'stops at the deadline if no further run is issued',
    conditions: { ...minuteConditions, lifetimeSeconds },
    steps: [
      untilServed,
      { do: 'change', to: { exchange: 'refuses' } },
      { do: 'get until', expect: 'not served', withinMs: untilEndMs },
      { do: 'get', object: 'readable', expect: 'not served', withinMs: defaultWithinMs },
    ],
  };
}

/** Scenarios for `--long` only. */
export const longScenarios: Scenario[] = [
  {
    name: 'does not notice the renewal of runs of ten minutes',
    conditions: { ...minuteConditions, lifetimeSeconds: 600 },
    steps: [untilServed, { do: 'keep getting', seconds: 660, runs: 2 }],
  },
];

/** Returns what is wrong with an answer, or undefined. */
export function checkAnswer(
  answer: ClientAnswer,
  expected: Expectation,
  report = fullReport,
): string | undefined {
  if (isExpectedAnswer(answer, expected, report)) return undefined;
  const { status, code, accessKeyId, message } = answer;
  const signed = accessKeyId === null ? 'unsigned' : 'signed';
  return `expected ${expected}, got status ${String(status)}, code ${String(code)}, ${signed}: ${message ?? ''}`;
}

function isExpectedAnswer(
  { status, code, message, accessKeyId }: ClientAnswer,
  expected: Expectation,
  report: RefusalReport,
): boolean {
  const isSigned = accessKeyId !== null;
  switch (expected) {
    case 'served':
      return status === 200 && code === null && isSigned;
    case 'refused by the cloud':
      return status === 403 && code !== null && isSigned;
    case 'refused by the gateway':
      return (
        status === 403 &&
        isSigned &&
        report.code.test(code ?? '') &&
        report.message.test(message ?? '')
      );
    case 'refused by the sidecar':
      return code !== null && !isSigned;
    case 'not served':
      return code !== null && status !== 200;
  }
}
