import { APPROVAL_STATES, type ApprovalState } from '../../contract/approvals.ts';
import { AUTHORITY_METRIC_SPECS as SPECS } from './authority-metric-specs.ts';
import type { ExemplarDeps } from './exemplar.ts';
import type { MetricRegistry } from './exposition.ts';
import {
  createCounter,
  createExemplarHistogram,
  createGauge,
  createOutcomeCounter,
} from './metric-registration.ts';

/** `unavailable`: nothing was decided. */
const GATED_CALL_OUTCOMES = ['allowed', 'denied', 'unavailable'] as const;
type GatedCallOutcome = (typeof GATED_CALL_OUTCOMES)[number];

const PROPOSAL_OUTCOMES = ['created', 'exists', 'refused'] as const;
const DELEGATION_OUTCOMES = ['minted', 'used', 'refused'] as const;
const APPROVAL_OUTCOMES = [
  'used',
  'repeated',
  'denied',
  'expired',
  'policy_changed',
  'separation',
] as const;
const NOTICE_OUTCOMES = ['delivered', 'failed'] as const;

/** The part of the authority's metrics that is about approvals and other decisions on existing runs. */
export type ApprovalMetrics = {
  /** A call that a gate asked about. */
  readonly gatedCall: (call: {
    readonly outcome: GatedCallOutcome;
    readonly seconds: number;
    readonly run: string | undefined;
  }) => void;
  readonly proposalCounted: (outcome: (typeof PROPOSAL_OUTCOMES)[number]) => void;
  readonly delegationCounted: (outcome: (typeof DELEGATION_OUTCOMES)[number]) => void;
  readonly approvalCounted: (
    outcome: (typeof APPROVAL_OUTCOMES)[number] | 'requested' | 'emergency',
  ) => void;
  /** @param found states of all ApprovalRequests, and the number of emergencies without a review */
  readonly approvalsListed: (found: {
    readonly states: readonly ApprovalState[];
    readonly unreviewed: number;
  }) => void;
  readonly emergencyReviewed: () => void;
  readonly approvalDecided: (decided: {
    readonly waitSeconds: number;
    readonly run: string | undefined;
  }) => void;
  readonly approvalNotified: (outcome: (typeof NOTICE_OUTCOMES)[number]) => void;
};

/** Creates the metrics of approvals, emergencies, gates, proposals and delegations. */
export const createApprovalMetrics = (
  registry: MetricRegistry,
  { readIds }: ExemplarDeps,
): ApprovalMetrics => {
  const proposals = createOutcomeCounter(SPECS.proposals, registry, PROPOSAL_OUTCOMES);
  const delegations = createOutcomeCounter(SPECS.delegations, registry, DELEGATION_OUTCOMES);
  const approvals = createGauge(SPECS.approvals, registry);
  const approvalRequests = createCounter(SPECS.approvalRequests, registry);
  const observeApproval = createExemplarHistogram(SPECS.approvalWait, registry);
  const approvalsUsed = createOutcomeCounter(SPECS.approvalsUsed, registry, APPROVAL_OUTCOMES);
  const emergencies = createOutcomeCounter(SPECS.emergencies, registry, ['used', 'reviewed']);
  const emergenciesUnreviewed = createGauge(SPECS.emergenciesUnreviewed, registry);
  const approvalNotices = createOutcomeCounter(SPECS.approvalNotices, registry, NOTICE_OUTCOMES);
  const gatedCalls = createOutcomeCounter(SPECS.gatedCalls, registry, GATED_CALL_OUTCOMES);
  const observeGatedCall = createExemplarHistogram(SPECS.gatedCallSeconds, registry);
  return {
    gatedCall: ({ outcome, seconds, run }) => {
      gatedCalls.inc({ outcome });
      observeGatedCall({}, seconds, { ...readIds(), run });
    },
    proposalCounted: (outcome) => proposals.inc({ outcome }),
    delegationCounted: (outcome) => delegations.inc({ outcome }),
    approvalCounted: (outcome) => {
      if (outcome === 'requested') approvalRequests.inc();
      else if (outcome === 'emergency') emergencies.inc({ outcome: 'used' });
      else approvalsUsed.inc({ outcome });
    },
    approvalsListed: ({ states, unreviewed }) => {
      emergenciesUnreviewed.set(unreviewed);
      for (const state of APPROVAL_STATES) {
        approvals.set({ state }, states.filter((each) => each === state).length);
      }
    },
    emergencyReviewed: () => emergencies.inc({ outcome: 'reviewed' }),
    approvalDecided: ({ waitSeconds, run }) =>
      observeApproval({}, waitSeconds, { ...readIds(), run }),
    approvalNotified: (outcome) => approvalNotices.inc({ outcome }),
  };
};
