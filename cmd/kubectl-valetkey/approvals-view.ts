import type { ApprovalRequest, ApprovalSpec, ApprovalState } from '../../lib/contract/approvals.ts';
import { escapeInvisible } from '../../lib/schema/field-error.ts';
import type { CommandResult } from './command-result.ts';
import { formatAge, renderTable } from './table.ts';

const HEADER = ['NAMESPACE', 'NAME', 'TASK', 'POD', 'GROUPS', 'STATE', 'EXPIRES IN'];

/** Builds the output of `requests`. */
export const buildRequestsResult = (
  requests: readonly ApprovalRequest[],
  now: number,
): CommandResult => ({
  isHealthy: true,
  lines:
    requests.length === 0
      ? ['No requests for approval.']
      : renderTable(
          HEADER,
          requests.map((request) => formatRow(request, now)),
        ),
  json: { requests },
});

/** The state of a request; one whose time is over has expired, also before the authority writes so. */
export const getShownState = (
  { state = 'pending', spec }: Pick<ApprovalRequest, 'state' | 'spec'>,
  now: number,
): ApprovalState => {
  const isOver = Date.parse(spec.expiresAt) <= now && (state === 'pending' || state === 'approved');
  return isOver ? 'expired' : state;
};

const formatRow = (request: ApprovalRequest, now: number): readonly string[] => {
  const { namespace, name, spec } = request;
  const leftMs = Date.parse(spec.expiresAt) - now;
  const { task, pod } = spec.requester;
  const left = leftMs > 0 ? formatAge(leftMs) : '-';
  const groups = spec.groups.map(formatGroup).join(',');
  return [namespace, name, task, pod, groups, getShownState(request, now), left].map(
    escapeInvisible,
  );
};

/** Formats a group and its quorum: `data-owners/2`. */
export const formatGroup = ({
  name,
  quorum,
}: {
  readonly name: string;
  readonly quorum: number;
}): string => (quorum === 1 ? name : `${name}/${quorum}`);

/** Formats a request as people read it before they decide: every line is escaped. */
export const formatRequest = ({ namespace, name, spec }: ApprovalRequest): readonly string[] => {
  const { serviceAccount, pod, consumer, user } = spec.requester;
  return [
    `ApprovalRequest ${namespace}/${name}`,
    `  asked by  pod ${pod}, container ${consumer}, service account ${serviceAccount}`,
    ...(user === undefined ? [] : [`  for user  ${user.subject} of ${user.issuer}`]),
    `  groups    ${spec.groups.map(formatGroup).join(', ')}`,
    `  policies  ${spec.policies.map(({ id }) => id).join(', ')}`,
    `  expires   ${spec.expiresAt}`,
    `  digest    ${spec.digest}`,
    '  request',
    ...spec.request.map((field) => `    ${field.name}: ${field.value}`),
  ].map(escapeInvisible);
};

const DONE = { approve: 'approved', deny: 'denied', review: 'reviewed' } as const;

/** Builds the output of `approve`, `deny`, `breakglass` and `review`. */
export const buildDecisionResult = (
  request: ApprovalRequest,
  { name, spec }: { readonly name: string; readonly spec: ApprovalSpec },
): CommandResult => ({
  isHealthy: true,
  lines: [
    ...formatRequest(request),
    escapeInvisible(
      `${spec.emergency === undefined ? DONE[spec.decision] : 'decided in an emergency'} for ${spec.group} by ${spec.by}: Approval ${name}`,
    ),
  ],
  json: { name, namespace: request.namespace, spec },
});
