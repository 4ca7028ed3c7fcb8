import type { CloudEvent } from '../embedded-cloud/cloud.ts';
import type { StepReport } from './agent.ts';
import { lineOf, type Line } from './line.ts';
import type { Steps } from './steps.ts';

type Events = readonly CloudEvent[];

/** What the two consumers met, the cloud's own record beside what they say. */
export const consumerLines = (
  { agent, helper }: { readonly agent: Steps; readonly helper: Steps },
  events: Events,
): readonly Line[] => {
  const asked = (name: string, expected: string, report: StepReport): Line =>
    lineOf({
      name,
      expected,
      got: outcomeByCloud(report, events),
      milliseconds: report.milliseconds,
    });
  const denied = '403 AccessDenied by the cloud';
  const { status, milliseconds } = agent('start');
  return [
    lineOf({ name: 'run started', expected: '200', got: String(status), milliseconds }),
    asked('in-scope read', '200 by the cloud', agent('read acme-data/reports/q3.csv')),
    asked('other prefix', denied, agent('read acme-data/secrets/keys.txt')),
    asked('write', denied, agent('write acme-data/reports/q4.csv')),
    asked('a run for one customer', '200 by the cloud', agent('report globex')),
    policyLine(agent('report initech')),
    deadlineLine(agent('outlive acme-data/reports/q3.csv'), denied, events),
    otherTaskLine({ agent, helper }, events),
  ];
};

/** The reason names the policy: `<TaskPolicy>/<@id>`. */
const policyLine = ({ status, code, message = '', milliseconds }: StepReport): Line =>
  lineOf({
    name: 'a customer that policy forbids',
    expected: '403 policy_denied',
    got: wordsOf({ status, code }),
    detail: /forbidden by [^\s)]+/.exec(message)?.[0] ?? message,
    milliseconds,
  });

/** A request counts as answered by the cloud only if the cloud's record has it, answered alike. */
const outcomeByCloud = ({ status, code, requestId }: StepReport, events: Events): string => {
  const event = events.find((one) => one.requestId === requestId);
  const outcome = wordsOf({ status, code });
  return event !== undefined && wordsOf(event) === outcome
    ? `${outcome} by the cloud`
    : `${outcome}, not by the cloud`;
};

const wordsOf = ({ status, code }: { status: number; code?: string | undefined }): string =>
  code === undefined ? String(status) : `${status} ${code}`;

/** The SDK is told an end a little before the deadline; a refusal before that would be too early. */
const deadlineLine = (report: StepReport, denied: string, events: Events): Line => {
  const { expiresAt = 0, refusedAt, milliseconds } = report;
  const outcome = outcomeByCloud(report, events);
  const common = { name: 'past the deadline', expected: denied, milliseconds };
  if (refusedAt === undefined) return lineOf({ ...common, got: outcome });
  const lateMs = refusedAt - expiresAt;
  const detail = `${(lateMs / 1000).toFixed(1)} s after the SDK was told that they end`;
  return lineOf({ ...common, got: lateMs > 0 ? outcome : `${outcome}, too early`, detail });
};

/**
 * Each asks the sidecar for the other's task; and the helper, whose own task writes elsewhere, asks
 * the cloud for what only the agent's task reads.
 */
const otherTaskLine = (
  { agent, helper }: { readonly agent: Steps; readonly helper: Steps },
  events: Events,
): Line => {
  const expected = '403 task_not_allowed to both';
  const outcomes = [
    [wordsOf(agent('task archive')), '403 task_not_allowed'],
    [wordsOf(helper('task summarize')), '403 task_not_allowed'],
    [outcomeByCloud(helper('write acme-data/archive/q3.csv'), events), '200 by the cloud'],
    [
      outcomeByCloud(helper('read acme-data/reports/q3.csv'), events),
      '403 AccessDenied by the cloud',
    ],
  ] as const;
  const isAsExpected = outcomes.every(([got, wanted]) => got === wanted);
  return lineOf({
    name: "the other consumer's task",
    expected,
    got: isAsExpected ? expected : outcomes.map(([got]) => got).join('; '),
    ...(isAsExpected && { detail: 'and the helper does its own' }),
    milliseconds: agent('task archive').milliseconds,
  });
};
