import type { Recorder } from '../../lib/audit/audit-event.ts';
import type { Log } from '../../lib/contract/log.ts';
import type { ApprovalSettings } from '../../lib/contract/platform.ts';
import type { SendToEndpoint } from '../../lib/edge/http/https-client.ts';
import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import type { ApprovalDeps } from '../../lib/exchange/act-approval.ts';
import { createDecisionObserver } from '../../lib/exchange/decision-observation.ts';
import { toErrorFields } from '../../lib/server/error-fields.ts';
import { createApprovalNotifier, type NotifyPeople } from './approval-notifier.ts';
import type { ClusterClient } from './cluster.ts';
import { refuseToRead } from './secret-sources.ts';

export type ApprovalComponentDeps = Pick<ApprovalDeps, 'useOnce' | 'emergencies' | 'now'> & {
  readonly cluster: Pick<ClusterClient, 'approvals' | 'readSourceSecret'>;
  readonly send: SendToEndpoint;
  readonly record: Recorder;
  readonly metrics: AuthorityMetrics;
  readonly log: Log;
  readonly random: () => number;
};

/** Connects what asks people with the API server, the records, the metrics and the webhook of the platform. */
export const createApprovals = (
  settings: ApprovalSettings,
  { cluster, send, metrics, log, random, ...deps }: ApprovalComponentDeps,
): ApprovalDeps => ({
  ...{ ...settings, ...deps, store: cluster.approvals, onApproval: metrics.approvalCounted },
  beingAsked: new Set(),
  observeDecisions: createDecisionObserver({ ...deps, onDecided: metrics.approvalDecided }),
  notifyPeople: createNotifier(settings, { cluster, send, metrics, log, random, ...deps }),
});

const createNotifier = (
  { notify }: ApprovalSettings,
  { cluster, log, ...deps }: ApprovalComponentDeps,
): NotifyPeople => {
  if (notify === undefined) return () => undefined;
  return createApprovalNotifier(notify, {
    ...deps,
    readSourceSecret: cluster.readSourceSecret ?? refuseToRead,
    onFailure: (error) => log.warn('approval notice not delivered', toErrorFields(error)),
    pause: (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref()),
  });
};
