import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import { EXCEPTION_UNTIL } from './demo-cluster.ts';
import { describeCloudOutcome } from './outcomes.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import type { FindStepReport } from './step-reports.ts';
import type { ReviewedPod } from './webhook-client.ts';

type CloudEvents = readonly CloudEvent[];

const DENIED = '403 AccessDenied by the cloud';

/** Compares the helper's reports about its vend task with the cloud's log. */
export const buildHelperLines = (
  helper: FindStepReport,
  events: CloudEvents,
): readonly ResultLine[] => [buildExceptionLine(helper, events), buildDeadlineLine(helper, events)];

/** The keys are the cloud's, and the cloud limits them to the helper's own task. */
const buildExceptionLine = (helper: FindStepReport, events: CloudEvents): ResultLine => {
  const { keyPrefix = '', milliseconds } = helper('start');
  const expected = 'a key of the cloud';
  const outcomes = [
    [keyPrefix === 'ASIA' ? expected : 'another key', expected],
    [describeCloudOutcome(helper('write acme-data/archive/q3.csv'), events), '200 by the cloud'],
    [describeCloudOutcome(helper('read acme-data/reports/q3.csv'), events), DENIED],
  ] as const;
  const isAsExpected = outcomes.every(([got, wanted]) => got === wanted);
  return buildLine({
    name: 'vend as the exception',
    expected,
    got: isAsExpected ? expected : outcomes.map(([got]) => got).join('; '),
    detail: `permitted until ${EXCEPTION_UNTIL}; the cloud refuses what is outside the task`,
    milliseconds,
  });
};

/** The advertised expiration is shortly before the deadline. A refusal before it is too early. */
const buildDeadlineLine = (helper: FindStepReport, events: CloudEvents): ResultLine => {
  const report = helper('outlive acme-data/archive/q3.csv');
  const { expiresAt = 0, refusedAt, milliseconds } = report;
  const outcome = describeCloudOutcome(report, events);
  const fields = { name: 'past the deadline', expected: DENIED, milliseconds };
  if (refusedAt === undefined) return buildLine({ ...fields, got: outcome });
  const delayMs = refusedAt - expiresAt;
  const detail = `${(delayMs / 1000).toFixed(1)} s after the advertised expiration`;
  return buildLine({ ...fields, got: delayMs > 0 ? outcome : `${outcome}, too early`, detail });
};

/** What policy says of a vend task that no current exception permits. */
const NO_EXCEPTION = 'only permits with a current @until and a @reason count';

/** Shows the answer to a pod with a vend task for which there is no exception. */
export const buildNoExceptionLine = (
  { allowed, message }: ReviewedPod,
  milliseconds: number,
): ResultLine => {
  const expected = 'refused at admission';
  const isRefused = !allowed && message.includes(NO_EXCEPTION);
  return buildLine({
    name: 'a vend task without exception',
    expected,
    got: isRefused ? expected : allowed ? 'allowed' : `refused: ${message}`,
    ...(isRefused && { detail: 'it needs a permit with a current @until and a @reason' }),
    milliseconds,
  });
};
