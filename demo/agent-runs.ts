// Steps of the demo's agents that start a run of their own at the sidecar.
import { createInterface } from 'node:readline';
import { setTimeout as pauseFor } from 'node:timers/promises';
import {
  createClientWith,
  getObject,
  putObject,
  reportOutcome,
  requestSidecar,
  toConnectionReport,
  toRefusalReport,
  type Keys,
  type Report,
} from './agent-calls.ts';

/** Takes the words after its name. */
export type Step = (argument: string, other?: string) => Promise<Report>;

type StartedRun = {
  readonly run: string;
  /** Shortly before the deadline of the run. RFC 3339. */
  readonly expiresAt: string;
  readonly credentials: Keys;
};

const COLLECT_TIMEOUT_MS = 30_000;
const FOLLOW_TIMEOUT_MS = 30_000;

/** Runs that later steps use and end, by task. */
const started = new Map<string, StartedRun>();

/** @returns a report if the sidecar refused the run */
const startRun = async (task: string, body: object = {}): Promise<StartedRun | Report> => {
  const answer = await requestSidecar('POST', `/v1/tasks/${task}/runs`, body);
  if (answer.status !== 201) return toRefusalReport(answer);
  return answer.body as unknown as StartedRun;
};

const isReport = (outcome: StartedRun | Report): outcome is Report => 'status' in outcome;

const ensureRun = async (task: string, body?: object): Promise<StartedRun | Report> => {
  const earlier = started.get(task);
  if (earlier !== undefined) return earlier;
  const outcome = await startRun(task, body);
  if (!isReport(outcome)) started.set(task, outcome);
  return outcome;
};

const requireRun = (task: string): StartedRun => {
  const run = started.get(task);
  if (run === undefined) throw new Error(`${task}: expected a run that an earlier step started`);
  return run;
};

/** Starts a run for one customer, reads its data, and ends the run. */
const runReport: Step = async (customer) => {
  const outcome = await startRun('report', { params: { customer } });
  if (isReport(outcome)) return outcome;
  const { run, credentials } = outcome;
  const client = createClientWith(credentials);
  const read = await reportOutcome(getObject(client, `acme-data/customers/${customer}/q3.csv`));
  await requestSidecar('DELETE', `/v1/runs/${run}`);
  return { ...read, run };
};

/** Repeats a `report` for as long as people must approve it. */
const collectReport: Step = async (customer) => {
  const deadline = performance.now() + COLLECT_TIMEOUT_MS;
  for (;;) {
    const outcome = await runReport(customer);
    if (outcome.status !== 202 || performance.now() > deadline) return outcome;
    await pauseFor(100);
  }
};

/** Writes an object in the run of task `draft`, which the first such step starts. */
const writeDraft: Step = async (place, text = '') => {
  const outcome = await ensureRun('draft');
  if (isReport(outcome)) return outcome;
  return putObject(createClientWith(outcome.credentials), place, text);
};

const endRun: Step = async (task) => {
  const { run } = requireRun(task);
  const endedAt = Date.now();
  const { status } = await requestSidecar('DELETE', `/v1/runs/${run}`);
  return { status, run, endedAt };
};

/** Lets the agent `reader` read one object of a run of task `summarize`. */
const delegate: Step = async (task) => {
  const parent = await ensureRun('summarize');
  if (isReport(parent)) return parent;
  const answer = await requestSidecar('POST', `/v1/runs/${parent.run}/delegations`, {
    task,
    audience: { namespace: 'default', serviceAccount: 'reader' },
    allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/q3.csv'] }],
  });
  if (answer.status !== 201) return toRefusalReport(answer);
  return { status: 201, run: parent.run, handle: String(answer.body['handle']) };
};

/** Starts a run with the handle that arrives as a line. */
const acceptDelegation: Step = async (task) => {
  const outcome = await ensureRun(task, { delegation: await readInput() });
  if (isReport(outcome)) return outcome;
  return { status: 201, run: outcome.run, expiresAt: Date.parse(outcome.expiresAt) };
};

const fetchDelegated: Step = (place) =>
  reportOutcome(getObject(createClientWith(requireRun('extract').credentials), place));

/** Reads until it is refused, at most for half a minute. A response that was cut is followed by a refusal. */
const followDelegated: Step = async (place) => {
  const deadline = performance.now() + FOLLOW_TIMEOUT_MS;
  for (;;) {
    const outcome = await fetchDelegated(place).catch(toConnectionReport);
    if (outcome.status >= 400) return { ...outcome, refusedAt: Date.now() };
    if (performance.now() > deadline) return outcome;
    await pauseFor(20);
  }
};

/** Waits for one line of standard input. */
const readInput = async (): Promise<string> => {
  const lines = createInterface({ input: process.stdin });
  const [line] = await new Promise<readonly string[]>((resolve) => {
    lines.once('line', (text) => resolve([text]));
    lines.once('close', () => resolve([]));
  });
  lines.close();
  if (line === undefined) throw new Error('expected a line on standard input, got its end');
  return line;
};

const waitForLine: Step = async () => {
  await readInput();
  return { status: 200 };
};

export const RUN_STEPS: readonly (readonly [string, Step])[] = [
  ['report', runReport],
  ['collect', collectReport],
  ['draft', writeDraft],
  ['end', endRun],
  ['delegate', delegate],
  ['accept', acceptDelegation],
  ['fetch', fetchDelegated],
  ['follow', followDelegated],
  ['pause', waitForLine],
];
