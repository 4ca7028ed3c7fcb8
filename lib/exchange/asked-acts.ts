import type { AuditEvent } from '../audit/audit-event.ts';
import { computeApprovalDigest } from '../approvals/approval-digest.ts';
import { buildCallFields, buildRunFields } from '../approvals/request-fields.ts';
import type { ApprovalKind, ApprovalRequester, RequestField } from '../contract/approvals.ts';
import type { GatedCall } from '../contract/authority-api.ts';
import type { TicketClaims } from '../grant/tickets.ts';
import { toNamedUser } from '../identity/workload.ts';
import { bindResource } from '../task/resource.ts';
import type { AuthorizedRun } from './authorized-run.ts';
import { buildAuditActor } from './exchange-records.ts';

/** What people are asked about: the start of a run, or one call of a run. */
export type AskedAct = {
  readonly kind: ApprovalKind;
  readonly namespace: string;
  /** SHA-256, hex, of the exact act. */
  readonly digest: string;
  readonly requester: ApprovalRequester;
  readonly fields: readonly RequestField[];
  /** What every audit record about the act has. */
  readonly recorded: Pick<AuditEvent, 'actor' | 'task' | 'params' | 'chain'> & {
    readonly run: string;
  };
};

/** Describes the start of a run for the people who are asked. */
export const describeAskedRun = ({
  run,
  workload,
  task,
  consumer,
  params,
  user,
  delegation,
}: AuthorizedRun): AskedAct => {
  const { namespace, serviceAccount, pod } = workload;
  const named = user === undefined ? {} : { user: toNamedUser(user) };
  const chain = delegation?.chain ?? [];
  const subject = { podUid: pod.uid, task: task.name, consumer, chain, ...named };
  const grant = delegation && {
    allow: task.allow,
    ...(delegation.lifetimeSeconds !== undefined && {
      lifetimeSeconds: delegation.lifetimeSeconds,
    }),
  };
  const resources = task.allow.map((statement) =>
    statement.resources.map((resource) => bindResource(resource, params)),
  );
  return {
    kind: 'run',
    namespace,
    digest: computeApprovalDigest({ kind: 'run', params, ...subject, ...(grant && { grant }) }),
    requester: { serviceAccount, pod: pod.name, ...subject },
    fields: buildRunFields({ task, params, resources }),
    recorded: {
      run,
      task: task.name,
      params,
      chain,
      actor: buildAuditActor({ ...workload, pod }, consumer, user),
    },
  };
};

/** A call whose content is known. */
export type DescribedCall = GatedCall & Required<Pick<GatedCall, 'content'>>;

/**
 * Describes one call of a run for the people who are asked. The permissions that gates ask about are for people
 * only: they can change with a policy, and the content names all of them.
 */
export const describeAskedCall = (
  { operation, permissions, bytes, content }: DescribedCall,
  claims: TicketClaims,
): AskedAct => {
  const { namespace, serviceAccount, pod, podUid, consumer, task, params, user, chain, run } =
    claims;
  const subject = {
    podUid,
    task: task.name,
    consumer,
    chain,
    ...(user !== undefined && { user }),
  };
  const digest = computeApprovalDigest({
    kind: 'call',
    params,
    ...subject,
    call: { operation, content: content.sha256 },
  });
  const actor = {
    namespace,
    serviceAccount,
    pod,
    podUid,
    consumer,
    ...(user !== undefined && { user: { issuer: user.issuer, subject: user.subject } }),
  };
  return {
    kind: 'call',
    namespace,
    digest,
    requester: { serviceAccount, pod, ...subject },
    fields: buildCallFields(
      { task, operation, ...(bytes !== undefined && { bytes }) },
      { permissions, content: content.fields },
    ),
    recorded: { run, task: task.name, params, chain, actor },
  };
};
