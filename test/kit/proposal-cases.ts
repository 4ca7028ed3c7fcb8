import type { TaskProposalSpec } from '../../lib/contract/proposals.ts';

export const PROPOSAL_NAME = 'tp-00112233445566778899';

const RESOURCE = 'arn:aws:s3:::acme-data/reports/q3.csv';

export const SAMPLE_PROPOSAL: TaskProposalSpec = {
  requester: {
    serviceAccount: 'agent',
    pod: 'agent-0',
    podUid: '11111111-2222-3333-4444-555555555555',
    consumer: 'agent',
  },
  task: 'report',
  allow: [{ actions: ['s3:PutObject'], resources: [RESOURCE] }],
  annotation: [
    '--- task.valetkey.dev/report',
    '+++ task.valetkey.dev/report',
    '@@ allow @@',
    '+  - actions: ["s3:PutObject"]',
    `+    resources: ["${RESOURCE}"]`,
    '',
  ].join('\n'),
  cedar: [
    'permit (',
    '  principal == Workload::"research/agent",',
    '  action == Action::"run",',
    '  resource == Task::"report"',
    ') when {',
    `  context.action == "s3:PutObject" && context.resource == "${RESOURCE}"`,
    '};',
    '',
  ].join('\n'),
  reason: 'the report must be stored',
  expiresAt: '2030-01-01T00:00:00Z',
};

/** A `spec`, and the path of its error; without one it is valid. Parser and CRD decide alike. */
export type ProposalCase = {
  readonly title: string;
  readonly spec: object;
  readonly faultAt?: string;
};

const omit = (member: keyof TaskProposalSpec): object =>
  Object.fromEntries(Object.entries(SAMPLE_PROPOSAL).filter(([name]) => name !== member));
const many = (count: number) => Array.from({ length: count }, (_, at) => `${RESOURCE}-${at}`);

export const PROPOSAL_CASES: readonly ProposalCase[] = [
  { title: 'a proposal', spec: SAMPLE_PROPOSAL },
  { title: 'a proposal without a reason', spec: omit('reason') },
  {
    title: 'sixteen pairs',
    spec: { ...SAMPLE_PROPOSAL, allow: [{ actions: ['s3:PutObject'], resources: many(16) }] },
  },
  {
    title: 'seventeen pairs',
    spec: {
      ...SAMPLE_PROPOSAL,
      allow: [
        { actions: ['s3:PutObject'], resources: many(16) },
        { actions: ['s3:GetObject'], resources: many(1) },
      ],
    },
    faultAt: 'spec.allow',
  },
  { title: 'nothing', spec: { ...SAMPLE_PROPOSAL, allow: [] }, faultAt: 'spec.allow' },
  {
    title: 'a statement without actions',
    spec: { ...SAMPLE_PROPOSAL, allow: [{ actions: [], resources: [RESOURCE] }] },
    faultAt: 'spec.allow[0].actions',
  },
  {
    title: 'a resource that is too long',
    spec: {
      ...SAMPLE_PROPOSAL,
      allow: [{ actions: ['s3:PutObject'], resources: ['x'.repeat(2049)] }],
    },
    faultAt: 'spec.allow[0].resources[0]',
  },
  {
    title: 'a task whose name is none',
    spec: { ...SAMPLE_PROPOSAL, task: 'Report' },
    faultAt: 'spec.task',
  },
  { title: 'no policy, not even an empty one', spec: omit('cedar'), faultAt: 'spec.cedar' },
  {
    title: 'a reason that is too long',
    spec: { ...SAMPLE_PROPOSAL, reason: 'x'.repeat(2561) },
    faultAt: 'spec.reason',
  },
  {
    title: 'an end that is no time',
    spec: { ...SAMPLE_PROPOSAL, expiresAt: 'soon' },
    faultAt: 'spec.expiresAt',
  },
  {
    title: 'a pod without UID',
    spec: { ...SAMPLE_PROPOSAL, requester: { ...SAMPLE_PROPOSAL.requester, podUid: '' } },
    faultAt: 'spec.requester.podUid',
  },
];
