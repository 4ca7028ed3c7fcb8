import type { AuditEvent, Recorder } from '../audit/audit-event.ts';
import type { TicketClaims } from '../grant/tickets.ts';
import type { User } from '../identity/workload.ts';
import type { PolicyDecision } from '../policy/decision.ts';
import { buildSessionName } from '../scope/aws/session-name.ts';
import { bindResource } from '../task/resource.ts';
import type { AuthorizedRun, IssuedCredentials } from './authorized-run.ts';
import type { Caller } from './caller.ts';
import type { ExchangeContext } from './exchange-context.ts';
import { toRefusal } from './token-refusal.ts';

export type RecordDeps = {
  /** @throws AuditError */
  readonly record: Recorder;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

/** Records that credentials are about to be issued. @throws AuditError */
export const recordIntent = (context: ExchangeContext, { record, now }: RecordDeps) =>
  record(buildAuditEvent('run.intent', context, now()));

/** Records that credentials were issued, before they are returned. @throws AuditError */
export const recordIssued = (context: ExchangeContext, { record, now }: RecordDeps) =>
  record(buildAuditEvent('run.issued', context, now()));

/** The audit record of a request at this step. It never contains a token, a grant or credentials. */
export const buildAuditEvent = (
  kind: AuditEvent['kind'],
  { details, caller, user, decision, authorizedRun, issued }: ExchangeContext,
  at: number,
): AuditEvent => ({
  kind,
  at,
  ...(caller !== undefined && { actor: buildAuditActor(caller, details?.consumer, user) }),
  ...(details !== undefined && { task: details.task, params: details.params }),
  ...(details?.purpose !== undefined && { purpose: details.purpose }),
  ...(decision !== undefined && { decision: toRecordedDecision(decision) }),
  ...(authorizedRun !== undefined && {
    run: authorizedRun.run,
    scope: buildAuditScope(authorizedRun, issued),
    exempted: authorizedRun.workload.exempted,
    ...(authorizedRun.delegation !== undefined && { chain: authorizedRun.delegation.chain }),
  }),
});

/** The caller in the form of an audit record. */
export const buildAuditActor = (
  { namespace, serviceAccount, pod }: Caller,
  consumer?: string,
  user?: Pick<User, 'issuer' | 'subject'>,
): NonNullable<AuditEvent['actor']> => ({
  namespace,
  serviceAccount,
  pod: pod.name,
  podUid: pod.uid,
  ...(consumer !== undefined && { consumer }),
  ...(user !== undefined && { user: { issuer: user.issuer, subject: user.subject } }),
});

/** What the record of an event of a run has besides the event: from the run's ticket, as far as there is one. */
export const buildRunMembers = (
  caller: Caller,
  claims: TicketClaims | undefined,
): Pick<AuditEvent, 'actor' | 'task' | 'chain' | 'decision' | 'deadline'> =>
  claims === undefined
    ? { actor: buildAuditActor(caller) }
    : {
        actor: buildAuditActor(caller, claims.consumer, claims.user),
        task: claims.task.name,
        chain: claims.chain,
        decision: {
          outcome: 'allow',
          policies: claims.policies ?? [],
          version: claims.policyVersion,
        },
        ...(claims.expiresAt !== undefined && { deadline: claims.expiresAt }),
      };

/** A decision in the form of an audit record. */
export const toRecordedDecision = ({ outcome, policies, version }: PolicyDecision) => ({
  outcome,
  policies,
  version,
});

/**
 * The scope that the session policy grants. The intent already contains the session name: if the
 * authority fails before it records the result, the name finds the session in the cloud's log.
 */
const buildAuditScope = (
  { run, workload, task, params }: AuthorizedRun,
  issued: IssuedCredentials | undefined,
): NonNullable<AuditEvent['scope']> => ({
  role: task.role,
  sessionName: buildSessionName({ podName: workload.pod.name, run }),
  actions: task.allow.flatMap(({ actions }) => actions),
  resources: task.allow.flatMap(({ resources }) =>
    resources.map((resource) => bindResource(resource, params)),
  ),
  ...(issued?.policySha256 !== undefined && { policySha256: issued.policySha256 }),
  ...(issued !== undefined && { deadline: issued.deadline }),
});

/** A refused request other than a token exchange, and what is known about it. */
export type RefusedCall = {
  readonly kind: Extract<
    AuditEvent['kind'],
    | 'run.end_refused'
    | 'run.calls_refused'
    | 'run.redecided'
    | 'call.refused'
    | 'stream.refused'
    | 'delegation.refused'
    | 'proposal.refused'
  >;
  /** Absent if no token was verified. */
  readonly caller?: Caller | undefined;
  readonly run?: string | undefined;
  /** Of the ticket that was presented. */
  readonly claims?: TicketClaims | undefined;
  /** What policy decided now. */
  readonly decision?: PolicyDecision | undefined;
};

export type RefusalRecordDeps = {
  /** Limited: similar refusals are counted instead of recorded one by one. @throws AuditError */
  readonly recordRefusal: Recorder;
  readonly now: () => number;
};

/**
 * Records a refusal before the response. Errors that a retry may resolve, and internal errors, which
 * are logged, are not recorded.
 *
 * @returns the error to respond with: the given one, or the one that prevented the record; never
 *   rejects
 */
export const recordRefusedCall = async (
  error: unknown,
  { kind, caller, run, claims, decision }: RefusedCall,
  { recordRefusal, now }: RefusalRecordDeps,
): Promise<unknown> => {
  const refusal = toRefusal(error);
  if (refusal === undefined || refusal.row.status >= 500) return error;
  const { code: reason, message } = refusal;
  const event: AuditEvent = {
    kind,
    at: now(),
    ...(caller !== undefined && buildRunMembers(caller, claims)),
    ...(decision !== undefined && { decision: toRecordedDecision(decision) }),
    ...(run !== undefined && { run }),
    reason,
    message,
  };
  try {
    await recordRefusal(event);
    return error;
  } catch (failure) {
    return failure;
  }
};
