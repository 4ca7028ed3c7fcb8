import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import type { StepReport } from './agent-calls.ts';
import {
  describeCloudOutcome,
  describeGatewayOutcome,
  findGatewayCode,
  formatOutcome,
} from './outcomes.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import type { FindStepReport } from './step-reports.ts';

type CloudEvents = readonly CloudEvent[];

/** Compares the agent's reports about its signed tasks with the cloud's log. */
export const buildAgentLines = (
  { agent, helper }: { readonly agent: FindStepReport; readonly helper: FindStepReport },
  events: CloudEvents,
): readonly ResultLine[] => {
  const askedCloud = (name: string, expected: string, report: StepReport): ResultLine =>
    buildLine({
      name,
      expected: `${expected} by the cloud`,
      got: describeCloudOutcome(report, events),
      milliseconds: report.milliseconds,
    });
  return [
    buildStartLine(agent('start')),
    askedCloud('in-scope read', '200', agent('read acme-data/reports/q3.csv')),
    buildRefusedLine('other prefix', agent('read acme-data/secrets/keys.txt'), events),
    buildRefusedLine('write', agent('write acme-data/reports/q4.csv'), events),
    askedCloud(
      'the gateway bypassed',
      '403 InvalidAccessKeyId',
      agent('bypass acme-data/reports/q3.csv'),
    ),
    buildPolicyLine(agent('report initech')),
    buildOtherTaskLine({ agent, helper }),
  ];
};

const buildStartLine = ({ status, keyPrefix = '', milliseconds }: StepReport): ResultLine =>
  buildLine({
    name: 'run started',
    expected: '200 with a local key',
    got: `${status} with ${keyPrefix === 'VALETKEY' ? 'a local key' : 'another key'}`,
    milliseconds,
  });

/** The gateway forwards nothing that is outside the task: the cloud's log has no request for the object. */
const buildRefusedLine = (name: string, report: StepReport, events: CloudEvents): ResultLine => {
  const [, object = ''] = report.step.split(' ');
  const isForwarded = events.some(({ path }) => path === `/${object}`);
  const outcome = describeGatewayOutcome(report, events);
  return buildLine({
    name,
    expected: '403 AccessDenied by the gateway',
    got: isForwarded ? `${outcome}, but the cloud received it` : outcome,
    detail: `${findGatewayCode(report)}, not in the cloud's log`,
    milliseconds: report.milliseconds,
  });
};

/** The reason contains the name of the policy: `<TaskPolicy>/<@id>`. */
const buildPolicyLine = (report: StepReport): ResultLine => {
  const { message = '', milliseconds } = report;
  return buildLine({
    name: 'a customer that policy forbids',
    expected: '403 policy_denied',
    got: formatOutcome(report),
    detail: /forbidden by [^\s),]+/.exec(message)?.[0] ?? message,
    milliseconds,
  });
};

/** Each consumer requests the other's task from the sidecar. */
const buildOtherTaskLine = ({
  agent,
  helper,
}: {
  readonly agent: FindStepReport;
  readonly helper: FindStepReport;
}): ResultLine => {
  const reports = [agent('task archive'), helper('task summarize')];
  const outcomes = [...new Set(reports.map(formatOutcome))];
  return buildLine({
    name: "the other consumer's task",
    expected: '403 task_not_allowed to both',
    got: outcomes.length === 1 ? `${outcomes.join()} to both` : outcomes.join('; '),
    milliseconds: agent('task archive').milliseconds,
  });
};
