import { approvalSpec } from '../lib/approvals/approval-objects.ts';
import { APPROVAL_REQUESTS, APPROVALS, REQUEST_LABEL } from '../lib/contract/approvals.ts';
import { INSTALLED } from '../lib/contract/names.ts';
import { formatFieldError } from '../lib/schema/field-error.ts';
import { toMapping } from '../lib/schema/mapping.ts';
import { read } from '../lib/schema/reader.ts';
import type { AdmitRequest } from '../test/fakes/api-server/request-handler.ts';

/** The person who may approve for the group `data-owners`. */
export const APPROVER = 'mara@example.com';

const APPROVERS: Readonly<Record<string, readonly string[]>> = { 'data-owners': [APPROVER] };
const AUTHORITY = `system:serviceaccount:${INSTALLED.namespace}:${INSTALLED.authority}`;

/**
 * What the chart's admission policies about approvals say (charts/valetkey/templates/admission-policies/approvals.yaml),
 * without emergencies and `separateDuties`. The end-to-end tests show the policies themselves.
 */
export const checkApprovalRules: AdmitRequest = ({ method, path, body, username }) => {
  if (method === 'DELETE') return undefined;
  const [, plural] = /\/namespaces\/[^/]+\/([^/]+)/.exec(path) ?? [];
  if (plural === APPROVAL_REQUESTS && username !== AUTHORITY) {
    return `ApprovalRequest: expected ${AUTHORITY} to write it, got ${username}`;
  }
  return plural === APPROVALS ? checkApproval(body, username) : undefined;
};

const checkApproval = (
  { metadata, spec: given }: Readonly<Record<string, unknown>>,
  username: string,
): string | undefined => {
  const result = read(approvalSpec, given);
  if (!result.ok) return result.faults.map(formatFieldError).join('; ');
  const { request, by, group } = result.value;
  const label = toMapping(toMapping(metadata)['labels'])[REQUEST_LABEL];
  if (label !== request.name) return `the label ${REQUEST_LABEL}: expected ${request.name}`;
  if (by !== username) return `spec.by: expected ${username}, the user who creates it, got ${by}`;
  if (/^system:(serviceaccount|node):/.test(username)) {
    return 'spec.by: expected a person, got a service account or a node';
  }
  return APPROVERS[group]?.includes(username) === true
    ? undefined
    : `spec.group: expected a user with verb approve on approvalgroups/${group} in the whole cluster (ClusterRoleBinding)`;
};
