import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import type { Child } from './child-process.ts';
import {
  describeCloudOutcome,
  describeGatewayOutcome,
  findGatewayCode,
  formatOutcome,
} from './outcomes.ts';
import { buildLine, summarize, type ResultLine } from './result-line.ts';
import { waitForStep, type FindStepReport } from './step-reports.ts';

/** The steps of both agents. */
export const STEPS = {
  delegate: 'delegate extract',
  accept: 'accept extract',
  inside: 'fetch acme-data/reports/q3.csv',
  outside: 'fetch acme-data/reports/q2.csv',
  follow: 'follow acme-data/reports/q3.csv',
  end: 'end summarize',
} as const;

/** Passes the agent's handle to the reader, and lets the agent end its run while the reader reads. */
export const passDelegation = async (agent: Child, reader: Child): Promise<void> => {
  const { handle, message = 'no handle' } = await waitForStep(agent, STEPS.delegate);
  if (handle === undefined) throw new Error(`${STEPS.delegate}: ${message}`);
  reader.sendLine(handle);
  await waitForStep(reader, STEPS.outside);
  agent.sendLine('end');
};

/** Compares the reports of both about the delegated run with the cloud's log. */
export const buildDelegationLines = (
  { agent, reader }: { readonly agent: FindStepReport; readonly reader: FindStepReport },
  events: readonly CloudEvent[],
): readonly ResultLine[] => [
  buildPartLine(reader, events),
  buildEndLine({ agent, reader }, events),
];

const DENIED = '403 AccessDenied by the gateway';

const buildPartLine = (reader: FindStepReport, events: readonly CloudEvent[]): ResultLine => {
  const [inside, outside] = [reader(STEPS.inside), reader(STEPS.outside)];
  const expected = '200 by the cloud';
  return buildLine({
    name: 'a part of a run for another agent',
    expected,
    got: summarize(expected, [
      [formatOutcome(reader(STEPS.accept)), '201'],
      [describeCloudOutcome(inside, events), expected],
      [describeGatewayOutcome(outside, events), DENIED],
    ]),
    detail: `what was not delegated: 403 ${findGatewayCode(outside)}`,
    milliseconds: inside.milliseconds,
  });
};

/** Codes of calls with a key of a run that ended: in flight, while it ends, and later. */
const ENDED = ['run_revoked', 'run_ended', 'run_unknown'];

/** The reader reads all the time, so that its first refusal shows when its run ended. */
const buildEndLine = (
  { agent, reader }: { readonly agent: FindStepReport; readonly reader: FindStepReport },
  events: readonly CloudEvent[],
): ResultLine => {
  const [ended, refused] = [agent(STEPS.end), reader(STEPS.follow)];
  const { refusedAt = Infinity } = refused;
  const { expiresAt = 0 } = reader(STEPS.accept);
  const delayMs = refusedAt - (ended.endedAt ?? Infinity);
  const [code, outcome] = [findGatewayCode(refused), describeGatewayOutcome(refused, events)];
  const isRefused =
    refused.status === 403 && outcome.endsWith(' by the gateway') && ENDED.includes(code);
  const expected = '403 by the gateway';
  return buildLine({
    name: 'a child ended with its parent',
    expected,
    got: summarize(expected, [
      [formatOutcome(ended), '204'],
      [isRefused ? expected : `${outcome} (${code})`, expected],
      [delayMs >= 0 ? 'after its parent' : 'before its parent', 'after its parent'],
      [refusedAt < expiresAt ? 'before its deadline' : 'at its deadline', 'before its deadline'],
    ]),
    detail: `${code}, ${delayMs} ms after the end of its parent`,
    milliseconds: Math.max(0, delayMs),
  });
};
