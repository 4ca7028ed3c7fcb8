import type { ApprovalRequestSpec, ApprovalSpec } from '../../lib/contract/approvals.ts';

const DIGEST = 'a1'.repeat(32);

export const REQUEST_NAME = 'ar-00112233445566778899';

export const SAMPLE_REQUEST: ApprovalRequestSpec = {
  kind: 'run',
  digest: DIGEST,
  groups: [{ name: 'data-owners', quorum: 1 }],
  policies: [{ id: 'research/writes', sha256: 'b2'.repeat(32) }],
  requester: {
    serviceAccount: 'agent',
    pod: 'agent-0',
    podUid: '11111111-2222-3333-4444-555555555555',
    task: 'write',
    consumer: 'agent',
    chain: [],
  },
  request: [{ name: 'task', value: 'write' }],
  expiresAt: '2030-01-01T00:00:00Z',
};

export const SAMPLE_APPROVAL: ApprovalSpec = {
  request: { name: REQUEST_NAME, uid: '99999999-2222-3333-4444-555555555555', digest: DIGEST },
  decision: 'approve',
  group: 'data-owners',
  by: 'mara@example.com',
};

/** A `spec`, and the path of its error; without one it is valid. Parser and CRD decide alike. */
export type ApprovalCase = {
  readonly title: string;
  readonly spec: object;
  readonly faultAt?: string;
};

const { requester } = SAMPLE_REQUEST;

export const REQUEST_CASES: readonly ApprovalCase[] = [
  { title: 'the start of a run', spec: SAMPLE_REQUEST },
  { title: 'a call', spec: { ...SAMPLE_REQUEST, kind: 'call' } },
  {
    title: 'a chain and a user',
    spec: {
      ...SAMPLE_REQUEST,
      requester: {
        ...requester,
        chain: [{ run: 'r1', namespace: 'research', serviceAccount: 'root', task: 'plan' }],
        user: { issuer: 'https://login.example', subject: 'mara', kubernetesName: 'oidc:mara' },
      },
    },
  },
  {
    title: 'another kind',
    spec: { ...SAMPLE_REQUEST, kind: 'task' },
    faultAt: 'spec.kind',
  },
  {
    title: 'a digest in capitals',
    spec: { ...SAMPLE_REQUEST, digest: DIGEST.toUpperCase() },
    faultAt: 'spec.digest',
  },
  { title: 'no group', spec: { ...SAMPLE_REQUEST, groups: [] }, faultAt: 'spec.groups' },
  {
    title: 'a group twice',
    spec: {
      ...SAMPLE_REQUEST,
      groups: [
        { name: 'a', quorum: 1 },
        { name: 'a', quorum: 2 },
      ],
    },
    faultAt: 'spec.groups',
  },
  {
    title: 'a quorum of none',
    spec: { ...SAMPLE_REQUEST, groups: [{ name: 'data-owners', quorum: 0 }] },
    faultAt: 'spec.groups[0].quorum',
  },
  { title: 'no policy', spec: { ...SAMPLE_REQUEST, policies: [] }, faultAt: 'spec.policies' },
  {
    title: 'a chain of four',
    spec: {
      ...SAMPLE_REQUEST,
      requester: {
        ...requester,
        chain: Array.from({ length: 4 }, () => ({
          ...{ run: 'r', namespace: 'a', serviceAccount: 'b', task: 'c' },
        })),
      },
    },
    faultAt: 'spec.requester.chain',
  },
  {
    title: 'a pod without UID',
    spec: { ...SAMPLE_REQUEST, requester: { ...requester, podUid: '' } },
    faultAt: 'spec.requester.podUid',
  },
  {
    title: 'a value that is too long',
    spec: { ...SAMPLE_REQUEST, request: [{ name: 'body', value: 'x'.repeat(2049) }] },
    faultAt: 'spec.request[0].value',
  },
  {
    title: 'an end that is no time',
    spec: { ...SAMPLE_REQUEST, expiresAt: 'tomorrow' },
    faultAt: 'spec.expiresAt',
  },
];

export const APPROVAL_CASES: readonly ApprovalCase[] = [
  { title: 'an approval', spec: SAMPLE_APPROVAL },
  { title: 'a denial with a reason', spec: { ...SAMPLE_APPROVAL, decision: 'deny', reason: 'no' } },
  { title: 'a review', spec: { ...SAMPLE_APPROVAL, decision: 'review' } },
  { title: 'an emergency', spec: { ...SAMPLE_APPROVAL, emergency: { incident: 'INC-1' } } },
  {
    title: 'an emergency that denies',
    spec: { ...SAMPLE_APPROVAL, decision: 'deny', emergency: { incident: 'INC-1' } },
    faultAt: 'spec',
  },
  {
    title: 'an emergency without an incident',
    spec: { ...SAMPLE_APPROVAL, emergency: { incident: '' } },
    faultAt: 'spec.emergency.incident',
  },
  {
    title: 'another decision',
    spec: { ...SAMPLE_APPROVAL, decision: 'maybe' },
    faultAt: 'spec.decision',
  },
  {
    title: 'the name of no request',
    spec: { ...SAMPLE_APPROVAL, request: { ...SAMPLE_APPROVAL.request, name: 'ar-1' } },
    faultAt: 'spec.request.name',
  },
  {
    title: 'a group that RBAC cannot name',
    spec: { ...SAMPLE_APPROVAL, group: '*' },
    faultAt: 'spec.group',
  },
  { title: 'no user', spec: { ...SAMPLE_APPROVAL, by: '' }, faultAt: 'spec.by' },
  {
    title: 'an empty reason',
    spec: { ...SAMPLE_APPROVAL, reason: '' },
    faultAt: 'spec.reason',
  },
];
