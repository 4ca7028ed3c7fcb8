import type { ApprovalRequester } from './approvals.ts';
import type { TaskStatement } from './task.ts';

/** Namespaced custom resource: a right that an agent lacked. Nothing applies it. */
export const TASK_PROPOSALS = 'taskproposals';

/** Pairs of an action and a resource in one proposal, and characters of its resources. */
export const MAX_PROPOSED_PAIRS = 16;
export const MAX_PROPOSED_RESOURCE_LENGTH = 2048;
/** Characters of the agent's own words. */
export const MAX_PROPOSAL_REASON_LENGTH = 256;
/** Characters of {@link ProposalRequest} in JSON. */
export const MAX_PROPOSAL_LENGTH = 48 * 1024;

/** The smallest addition to a task that allows what was refused. */
export type Proposal = { readonly task: string; readonly allow: readonly TaskStatement[] };

/**
 * What a sidecar sends for a refusal that it remembers. Form fields of the authority's route:
 * `subject_token` = the pod's token, `proposal` = this as JSON.
 */
export type ProposalRequest = Proposal & {
  readonly consumer: string;
  /** Of the agent: untrusted. */
  readonly reason?: string;
};

/** `spec` of a TaskProposal. It does not change. */
export type TaskProposalSpec = {
  readonly requester: Pick<ApprovalRequester, 'serviceAccount' | 'pod' | 'podUid' | 'consumer'>;
  readonly task: string;
  readonly allow: readonly TaskStatement[];
  /** A change of the pod's annotation, as a diff; empty: the task declares the right. */
  readonly annotation: string;
  /** Cedar that permits exactly this; empty: policy permits it. */
  readonly cedar: string;
  /** The agent's words, on one line: untrusted. */
  readonly reason?: string;
  /** RFC 3339. */
  readonly expiresAt: string;
};

export type TaskProposal = {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly spec: TaskProposalSpec;
};
