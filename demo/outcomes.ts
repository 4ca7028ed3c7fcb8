import type { CloudEvent } from '../test/fakes/cloud/embedded-cloud.ts';
import type { StepReport } from './agent-calls.ts';

type Outcome = { readonly status: number; readonly code?: string | undefined };

/** Formats a status, and the code if there is one. */
export const formatOutcome = ({ status, code }: Outcome): string =>
  code === undefined ? String(status) : `${status} ${code}`;

/** Counts a response as the cloud's only if its log contains the request with the same response. */
export const describeCloudOutcome = (report: StepReport, events: readonly CloudEvent[]): string => {
  const event = events.find(({ requestId }) => requestId === report.requestId);
  const outcome = formatOutcome(report);
  return event !== undefined && formatOutcome(event) === outcome
    ? `${outcome} by the cloud`
    : `${outcome}, not by the cloud`;
};

/** Counts a refusal as the gateway's only if it says so and the cloud answered no such request. */
export const describeGatewayOutcome = (
  report: StepReport,
  events: readonly CloudEvent[],
): string => {
  const outcome = formatOutcome(report);
  if (report.message?.startsWith('valetkey: ') !== true) return `${outcome}, not by the gateway`;
  return events.some(({ requestId }) => requestId === report.requestId)
    ? `${outcome}, and the cloud answered`
    : `${outcome} by the gateway`;
};

/** The stable code at the end of a message of the gateway. */
export const findGatewayCode = ({ message = '' }: StepReport): string =>
  /\((\w+)\)$/.exec(message)?.[1] ?? message;
