import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import type { StepReport } from './agent.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import type { FindStepReport } from './step-reports.ts';

type CloudEvents = readonly CloudEvent[];

/** Compares the reports of both consumers with the cloud's log. */
export const buildConsumerLines = (
  { agent, helper }: { readonly agent: FindStepReport; readonly helper: FindStepReport },
  events: CloudEvents,
): readonly ResultLine[] => {
  const asked = (name: string, expected: string, report: StepReport): ResultLine =>
    buildLine({
      name,
      expected,
      got: describeCloudOutcome(report, events),
      milliseconds: report.milliseconds,
    });
  const denied = '403 AccessDenied by the cloud';
  const { status, milliseconds } = agent('start');
  return [
    buildLine({ name: 'run started', expected: '200', got: String(status), milliseconds }),
    asked('in-scope read', '200 by the cloud', agent('read acme-data/reports/q3.csv')),
    asked('other prefix', denied, agent('read acme-data/secrets/keys.txt')),
    asked('write', denied, agent('write acme-data/reports/q4.csv')),
    asked('a run for one customer', '200 by the cloud', agent('report globex')),
    buildPolicyLine(agent('report initech')),
    buildDeadlineLine(agent('outlive acme-data/reports/q3.csv'), denied, events),
    buildOtherTaskLine({ agent, helper }, events),
  ];
};

/** The reason contains the name of the policy: `<TaskPolicy>/<@id>`. */
const buildPolicyLine = ({ status, code, message = '', milliseconds }: StepReport): ResultLine =>
  buildLine({
    name: 'a customer that policy forbids',
    expected: '403 policy_denied',
    got: formatStatus({ status, code }),
    detail: /forbidden by [^\s)]+/.exec(message)?.[0] ?? message,
    milliseconds,
  });

/** Counts a response as the cloud's only if its log contains the request with the same response. */
const describeCloudOutcome = (
  { status, code, requestId }: StepReport,
  events: CloudEvents,
): string => {
  const event = events.find((one) => one.requestId === requestId);
  const outcome = formatStatus({ status, code });
  return event !== undefined && formatStatus(event) === outcome
    ? `${outcome} by the cloud`
    : `${outcome}, not by the cloud`;
};

const formatStatus = ({ status, code }: { status: number; code?: string | undefined }): string =>
  code === undefined ? String(status) : `${status} ${code}`;

/** The advertised expiration is shortly before the deadline. A refusal before it is too early. */
const buildDeadlineLine = (report: StepReport, denied: string, events: CloudEvents): ResultLine => {
  const { expiresAt = 0, refusedAt, milliseconds } = report;
  const outcome = describeCloudOutcome(report, events);
  const fields = { name: 'past the deadline', expected: denied, milliseconds };
  if (refusedAt === undefined) return buildLine({ ...fields, got: outcome });
  const delayMs = refusedAt - expiresAt;
  const detail = `${(delayMs / 1000).toFixed(1)} s after the advertised expiration`;
  return buildLine({ ...fields, got: delayMs > 0 ? outcome : `${outcome}, too early`, detail });
};

/**
 * Each consumer requests the other's task from the sidecar. The helper, whose task writes elsewhere,
 * also requests from the cloud what only the agent's task may read.
 */
const buildOtherTaskLine = (
  { agent, helper }: { readonly agent: FindStepReport; readonly helper: FindStepReport },
  events: CloudEvents,
): ResultLine => {
  const expected = '403 task_not_allowed to both';
  const outcomes = [
    [formatStatus(agent('task archive')), '403 task_not_allowed'],
    [formatStatus(helper('task summarize')), '403 task_not_allowed'],
    [describeCloudOutcome(helper('write acme-data/archive/q3.csv'), events), '200 by the cloud'],
    [
      describeCloudOutcome(helper('read acme-data/reports/q3.csv'), events),
      '403 AccessDenied by the cloud',
    ],
  ] as const;
  const isAsExpected = outcomes.every(([got, wanted]) => got === wanted);
  return buildLine({
    name: "the other consumer's task",
    expected,
    got: isAsExpected ? expected : outcomes.map(([got]) => got).join('; '),
    ...(isAsExpected && { detail: 'and the helper does its own' }),
    milliseconds: agent('task archive').milliseconds,
  });
};
