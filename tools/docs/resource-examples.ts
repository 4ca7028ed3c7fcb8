import { REQUEST_NAME, SAMPLE_APPROVAL, SAMPLE_REQUEST } from '../../test/kit/approval-cases.ts';
import { PROPOSAL_NAME, SAMPLE_PROPOSAL } from '../../test/kit/proposal-cases.ts';

const apiVersion = 'valetkey.dev/v1alpha1';

/** One object of each kind, for the reference. A test validates them against the CRDs. */
export const RESOURCE_EXAMPLES: Readonly<Record<string, object>> = {
  ApprovalRequest: {
    apiVersion,
    kind: 'ApprovalRequest',
    metadata: { name: REQUEST_NAME, namespace: 'research' },
    spec: SAMPLE_REQUEST,
  },
  Approval: {
    apiVersion,
    kind: 'Approval',
    metadata: {
      name: `${REQUEST_NAME}-mara`,
      namespace: 'research',
      labels: { 'valetkey.dev/request': REQUEST_NAME },
    },
    spec: { ...SAMPLE_APPROVAL, reason: 'one report' },
  },
  TaskProposal: {
    apiVersion,
    kind: 'TaskProposal',
    metadata: { name: PROPOSAL_NAME, namespace: 'research' },
    spec: SAMPLE_PROPOSAL,
  },
  Revocation: {
    apiVersion,
    kind: 'Revocation',
    metadata: { name: 'leaked-key' },
    spec: {
      pod: { namespace: 'research', name: 'agent-0' },
      reason: 'its log shows a key',
      by: 'mara@example.com',
      until: '2030-01-01T00:00:00Z',
    },
  },
  TaskPolicy: {
    apiVersion,
    kind: 'TaskPolicy',
    metadata: { name: 'research' },
    spec: {
      cedar:
        'permit (principal in Namespace::"research", action == Action::"run", resource)\nwhen { context.accessLevels.contains("Read") };\n',
    },
  },
  Upstream: {
    apiVersion,
    kind: 'Upstream',
    metadata: { name: 'model-api' },
    spec: {
      url: 'https://api.example.com',
      present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
      secret: { kubernetes: { name: 'model-key', key: 'token' } },
    },
  },
};
