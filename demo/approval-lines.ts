import { API_GROUP, API_VERSION } from '../lib/contract/authority-api.ts';
import { APPROVALS } from '../lib/contract/approvals.ts';
import type { EmbeddedApiServer } from '../test/fakes/api-server/embedded-api-server.ts';
import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import type { StepReport } from './agent-calls.ts';
import type { Child } from './child-process.ts';
import type { PluginResult, RunKubectlPlugin } from './kubectl-plugin.ts';
import {
  describeCloudOutcome,
  describeGatewayOutcome,
  findGatewayCode,
  formatOutcome,
} from './outcomes.ts';
import { buildLine, summarize, type ResultLine } from './result-line.ts';
import { waitForStep, type FindStepReport } from './step-reports.ts';

/** The steps about which people are asked. */
export const ASKED_STEPS = {
  report: 'report globex',
  collected: 'collect globex',
  write: 'draft acme-data/drafts/q4.csv first',
  changed: 'draft acme-data/drafts/q4.csv second',
} as const;

const COMMAND = /kubectl valetkey (approve -n default (ar-[0-9a-f]{20}))/;
const APPROVALS_PATH = `/apis/${API_GROUP}/${API_VERSION}/${APPROVALS}`;

/** What became of a service account's try to approve. */
export type OwnApproval = Pick<PluginResult, 'code' | 'lastLog'> & {
  /** Approvals of this request that the API server stored. */
  readonly stored: number;
  /** The same, after a person approved it: a count that never changes shows nothing. */
  readonly storedLater: number;
};

/** The demo in the place of people: it runs what each refusal says, as a user who may approve. */
export const decideAsPeople = async (
  agent: Child,
  {
    apiServer,
    approver,
    serviceAccount,
  }: {
    readonly apiServer: Pick<EmbeddedApiServer, 'objects'>;
    /** `kubectl valetkey` of a person. */
    readonly approver: RunKubectlPlugin;
    /** `kubectl valetkey` with the agent's own service account. */
    readonly serviceAccount: RunKubectlPlugin;
  },
): Promise<OwnApproval> => {
  const approve = async (step: string, run: RunKubectlPlugin, log: string) => {
    const { words, request } = readCommand(await waitForStep(agent, step));
    return { request, result: await run(log, ...words, '--yes') };
  };
  await approve(ASKED_STEPS.report, approver, 'approve-run');
  const { request, result } = await approve(ASKED_STEPS.write, serviceAccount, 'approve-itself');
  const countApprovals = (): number =>
    apiServer.objects
      .list(APPROVALS_PATH)
      .filter(({ metadata }) => metadata.name.startsWith(request)).length;
  const stored = countApprovals();
  await approve(ASKED_STEPS.write, approver, 'approve-call');
  const storedLater = countApprovals();
  agent.sendLine('approved');
  return { ...result, stored, storedLater };
};

/** @throws Error if the report does not say what to approve */
const readCommand = ({ step, message = '' }: StepReport) => {
  const [, command = '', request = ''] = COMMAND.exec(message) ?? [];
  if (command === '') throw new Error(`${step}: expected a command to approve, got ${message}`);
  return { words: command.split(' '), request };
};

const findRequest = ({ message = '' }: StepReport): string =>
  COMMAND.exec(message)?.[2] ?? 'no request';

/** Compares what the agent got before and after people decided with the cloud's log. */
export const buildApprovalLines = (
  agent: FindStepReport,
  own: OwnApproval,
  events: readonly CloudEvent[],
): readonly ResultLine[] => [
  buildRunLine(agent, events),
  buildWriteLine(agent, events),
  buildOwnLine(agent, own),
  buildAskedAgainLine('the same write changed', {
    ...{ report: agent(ASKED_STEPS.changed), agent, events },
    request: 'another request',
    detail: 'another body is another request',
  }),
  buildAskedAgainLine('the approved write once more', {
    ...{ report: agent(ASKED_STEPS.write, 2), agent, events },
    request: 'the same request',
    detail: 'its approval is used; people are asked again',
  }),
];

const buildRunLine = (agent: FindStepReport, events: readonly CloudEvent[]): ResultLine => {
  const [asked, collected] = [agent(ASKED_STEPS.report), agent(ASKED_STEPS.collected)];
  const expected = '202, then 200 by the cloud';
  return buildLine({
    name: 'a run that waits for a yes',
    expected,
    got: summarize(expected, [
      [formatOutcome(asked), '202 approval_pending'],
      [describeCloudOutcome(collected, events), '200 by the cloud'],
    ]),
    detail: 'kubectl valetkey approve, by a person',
    milliseconds: collected.milliseconds,
  });
};

const PENDING = '403 AccessDenied by the gateway';

/** The first answer names the command that the demo ran. */
const buildWriteLine = (agent: FindStepReport, events: readonly CloudEvent[]): ResultLine => {
  const [asked, passed] = [agent(ASKED_STEPS.write), agent(ASKED_STEPS.write, 1)];
  const expected = '403 by the gateway, then 200 by the cloud';
  return buildLine({
    name: 'a write that waits for a yes',
    expected,
    got: summarize(expected, [
      [describeGatewayOutcome(asked, events), PENDING],
      [findGatewayCode(asked), 'approval_pending'],
      [describeCloudOutcome(passed, events), '200 by the cloud'],
    ]),
    detail: COMMAND.exec(asked.message ?? '')?.[0] ?? 'no command',
    milliseconds: passed.milliseconds,
  });
};

const NO_PERSON = 'expected a person, got a service account';

const buildOwnLine = (
  agent: FindStepReport,
  { code, lastLog, stored, storedLater }: OwnApproval,
): ResultLine => {
  const expected = 'refused by the API server';
  return buildLine({
    name: 'the agent approves its own write',
    expected,
    got: summarize(expected, [
      [code === 0 ? 'approved' : 'refused', 'refused'],
      [lastLog.includes(NO_PERSON) ? NO_PERSON : lastLog, NO_PERSON],
      [`${stored}, then ${storedLater} Approvals`, '0, then 1 Approvals'],
    ]),
    detail: NO_PERSON,
    milliseconds: agent(ASKED_STEPS.write).milliseconds,
  });
};

/** After the approved write, nothing else was written. */
const buildAskedAgainLine = (
  name: string,
  given: {
    readonly report: StepReport;
    readonly agent: FindStepReport;
    readonly events: readonly CloudEvent[];
    /** Compared with the request that was approved. */
    readonly request: 'the same request' | 'another request';
    readonly detail: string;
  },
): ResultLine => {
  const { report, agent, events, request, detail } = given;
  const isSame = findRequest(report) === findRequest(agent(ASKED_STEPS.write));
  return buildLine({
    name,
    expected: PENDING,
    got: summarize(PENDING, [
      [describeGatewayOutcome(report, events), PENDING],
      [findGatewayCode(report), 'approval_pending'],
      [isSame ? 'the same request' : 'another request', request],
      [`${countWrites(events)} writes in the cloud`, '1 writes in the cloud'],
    ]),
    detail: `approval_pending: ${detail}`,
    milliseconds: report.milliseconds,
  });
};

const [, WRITTEN] = ASKED_STEPS.write.split(' ');

const countWrites = (events: readonly CloudEvent[]): number =>
  events.filter(({ path, status }) => path === `/${WRITTEN}` && status === 200).length;
