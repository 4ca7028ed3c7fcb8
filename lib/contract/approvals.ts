/** Namespaced custom resources: what a human is asked, and what one answered. */
export const APPROVAL_REQUESTS = 'approvalrequests';
export const APPROVALS = 'approvals';
/** On an ApprovalRequest: the UID of the pod that asks. */
export const POD_UID_LABEL = 'valetkey.dev/pod-uid';
/** On an Approval: the name of its ApprovalRequest. */
export const REQUEST_LABEL = 'valetkey.dev/request';

/** `run`: the start of a run; `call`: one call of a running one. */
export const APPROVAL_KINDS = ['run', 'call'] as const;
export type ApprovalKind = (typeof APPROVAL_KINDS)[number];

/** `review` is about an emergency: someone else has looked at it. */
export const APPROVAL_DECISIONS = ['approve', 'deny', 'review'] as const;
export type ApprovalDecision = (typeof APPROVAL_DECISIONS)[number];

/** For display only: no decision reads it. */
export const APPROVAL_STATES = ['pending', 'approved', 'denied', 'used', 'expired'] as const;
export type ApprovalState = (typeof APPROVAL_STATES)[number];

/** How many different people of a group have to approve. */
export type ApprovalGroup = { readonly name: string; readonly quorum: number };

/** A policy that asked, and the SHA-256 of its text, in hex. */
export type AskingPolicy = { readonly id: string; readonly sha256: string };

/** One run of a chain of delegations. */
export type ChainLink = {
  readonly run: string;
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly task: string;
};

export type ApprovalUser = {
  readonly issuer: string;
  readonly subject: string;
  /** The user's name at the API server; absent if it is not known. */
  readonly kubernetesName?: string;
};

export type ApprovalRequester = {
  readonly serviceAccount: string;
  readonly pod: string;
  readonly podUid: string;
  readonly task: string;
  readonly consumer: string;
  /** Root first; empty unless the run was delegated. */
  readonly chain: readonly ChainLink[];
  readonly user?: ApprovalUser;
};

/** One line of the parsed request, for people: bounded, on one line, without tokens. */
export type RequestField = { readonly name: string; readonly value: string };

/** `spec` of an ApprovalRequest. It does not change. */
export type ApprovalRequestSpec = {
  readonly kind: ApprovalKind;
  /** SHA-256, hex, of the exact request. */
  readonly digest: string;
  readonly groups: readonly ApprovalGroup[];
  readonly policies: readonly AskingPolicy[];
  readonly requester: ApprovalRequester;
  readonly request: readonly RequestField[];
  /** RFC 3339. */
  readonly expiresAt: string;
};

export type ApprovalRequest = {
  readonly name: string;
  readonly namespace: string;
  readonly uid: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly spec: ApprovalRequestSpec;
  readonly state?: ApprovalState;
  /** Since when it is in this state; milliseconds since the epoch. */
  readonly since?: number;
};

/** `spec` of an Approval. It does not change. */
export type ApprovalSpec = {
  readonly request: { readonly name: string; readonly uid: string; readonly digest: string };
  readonly decision: ApprovalDecision;
  readonly group: string;
  /** Who decides. A ValidatingAdmissionPolicy requires the caller's own name. */
  readonly by: string;
  readonly reason?: string;
  /** Break-glass: one person decides alone, and another one reviews it afterwards. */
  readonly emergency?: { readonly incident: string };
};

export type Approval = {
  readonly name: string;
  readonly uid: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly spec: ApprovalSpec;
};
