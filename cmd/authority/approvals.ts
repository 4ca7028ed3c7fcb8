import type { ApprovalSettings } from '../../lib/contract/platform.ts';
import type { SendToEndpoint } from '../../lib/edge/http/https-client.ts';
import type { ApprovalDeps } from '../../lib/exchange/approval-question.ts';
import type { CallerIdentification } from '../../lib/exchange/caller-identification.ts';
import { createDecisionObserver } from '../../lib/exchange/decision-observation.ts';
import { createEmergencies, type Emergencies } from '../../lib/exchange/emergencies.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import { createApprovalNotifier, type NotifyPeople } from './approval-notifier.ts';
import type { ComponentDeps } from './component-deps.ts';
import type { AuthorityConfig } from './config.ts';
import { refuseToRead } from './secret-sources.ts';

/** The emergencies, as the API server keeps them. */
export const connectEmergencies = ({
  cluster,
  prerequisites,
  metrics,
  clock,
}: ComponentDeps): Emergencies =>
  createEmergencies({
    leases: cluster.identity.usedHandleLeases,
    listApprovals: cluster.approvals.listApprovals,
    record: prerequisites.audit.record,
    onReviewed: metrics.emergencyReviewed,
    now: clock.now,
  });

/** Connects what asks people with the API server, the records, the metrics and the webhook of the platform. */
export const connectApprovals = (
  { platform: { authority } }: AuthorityConfig,
  deps: ComponentDeps,
  {
    identification: { useOnce },
    emergencies,
    send,
  }: {
    readonly identification: Pick<CallerIdentification, 'useOnce'>;
    readonly emergencies: Emergencies;
    readonly send: SendToEndpoint;
  },
): ApprovalDeps => {
  const { cluster, metrics, clock, prerequisites } = deps;
  const { record } = prerequisites.audit;
  const { now } = clock;
  return {
    ...authority.approvals,
    store: cluster.approvals,
    useOnce,
    emergencies,
    beingAsked: new Set(),
    record,
    now,
    onApproval: metrics.approvalCounted,
    observeDecisions: createDecisionObserver({ record, now, onDecided: metrics.approvalDecided }),
    notifyPeople: createNotifier(authority.approvals, deps, send),
  };
};

const createNotifier = (
  { notify }: ApprovalSettings,
  { cluster, metrics, log, clock, random }: ComponentDeps,
  send: SendToEndpoint,
): NotifyPeople => {
  if (notify === undefined) return () => undefined;
  return createApprovalNotifier(notify, {
    readSourceSecret: cluster.readSourceSecret ?? refuseToRead,
    send,
    metrics,
    onFailure: (error) => log.warn('approval notice not delivered', toErrorFields(error)),
    now: clock.now,
    random,
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref()),
  });
};
