import type { ChainLink } from '../contract/approvals.ts';
import type { CallHead } from '../contract/authority-api.ts';
import { boundList, boundMapping, boundText } from './bounded-text.ts';
import { boundCallHead } from './call-head.ts';
import type { AuditEvent } from './audit-event.ts';

/** Of the Open Cybersecurity Schema Framework, schema.ocsf.io. */
const OCSF_VERSION = '1.6.0';

/** Records about the chain itself: start, continuation by a new process, checkpoint, removal, close. */
export type ChainKind =
  'chain.started' | 'chain.resumed' | 'chain.checkpoint' | 'chain.pruned' | 'chain.closed';
export type RecordKind = AuditEvent['kind'] | ChainKind;

type OcsfClass = {
  readonly category_uid: 3 | 6;
  readonly class_uid: 3003 | 3004 | 6002;
  readonly activity_id: number;
  readonly activity_name: string;
  /** 1 informational, 2 low, 3 medium, 4 high, 5 critical. */
  readonly severity_id: 1 | 2 | 3 | 4 | 5;
  /** 0 unknown, 1 success, 2 failure. */
  readonly status_id: 0 | 1 | 2;
  /** Type of the entity that `subject` names. */
  readonly entity?: string;
};

const session = { category_uid: 3, class_uid: 3003 } as const;
const management = { category_uid: 3, class_uid: 3004 } as const;
const lifecycle = { category_uid: 6, class_uid: 6002 } as const;
const assigns = { activity_id: 1, activity_name: 'Assign Privileges' } as const;
const creates = { activity_id: 1, activity_name: 'Create' } as const;
const updates = { activity_id: 3, activity_name: 'Update' } as const;
const deletes = { activity_id: 4, activity_name: 'Delete' } as const;
const buildOtherActivity = (activity_name: string) => ({ activity_id: 99, activity_name }) as const;
const done = { severity_id: 1, status_id: 1 } as const;
const notable = { severity_id: 3, status_id: 1 } as const;

/** The OCSF class of each kind: Authorize Session, Entity Management or Application Lifecycle. */
export const OCSF_CLASSES: Readonly<Record<RecordKind, OcsfClass>> = {
  'run.intent': { ...session, ...assigns, severity_id: 1, status_id: 0 },
  'run.issued': { ...session, ...assigns, ...done },
  'run.refused': { ...session, ...assigns, severity_id: 2, status_id: 2 },
  'run.ended': { ...session, ...buildOtherActivity('End Session'), ...done },
  'run.end_refused': {
    ...session,
    ...buildOtherActivity('End Session'),
    severity_id: 2,
    status_id: 2,
  },
  'run.calls': { ...session, ...buildOtherActivity('Use Session'), ...done },
  'run.calls_refused': {
    ...session,
    ...buildOtherActivity('Use Session'),
    severity_id: 2,
    status_id: 2,
  },
  'secret.revocation_failed': {
    ...session,
    ...buildOtherActivity('End Session'),
    severity_id: 3,
    status_id: 2,
  },
  'run.redecided': { ...session, ...assigns, severity_id: 2, status_id: 2 },
  'call.refused': {
    ...session,
    ...buildOtherActivity('Use Session'),
    severity_id: 2,
    status_id: 2,
  },
  'stream.refused': { ...session, ...buildOtherActivity('Listen'), severity_id: 2, status_id: 2 },
  'revocation.observed': { ...management, ...creates, ...notable, entity: 'revocation' },
  'revocation.collected': { ...management, ...deletes, ...done, entity: 'revocation' },
  'approval.requested': { ...management, ...creates, ...done, entity: 'approval' },
  'approval.observed': {
    ...management,
    ...buildOtherActivity('Observe'),
    ...done,
    entity: 'approval',
  },
  'approval.used': { ...management, ...buildOtherActivity('Use'), ...notable, entity: 'approval' },
  'approval.denied': {
    ...management,
    ...buildOtherActivity('Deny'),
    ...notable,
    entity: 'approval',
  },
  'delegation.minted': { ...session, ...buildOtherActivity('Delegate'), ...done },
  'delegation.used': { ...session, ...buildOtherActivity('Use Delegation'), ...done },
  'delegation.refused': {
    ...session,
    ...buildOtherActivity('Delegate'),
    severity_id: 2,
    status_id: 2,
  },
  'emergency.used': {
    ...management,
    ...buildOtherActivity('Use'),
    severity_id: 4,
    status_id: 1,
    entity: 'approval',
  },
  'emergency.reviewed': {
    ...management,
    ...buildOtherActivity('Review'),
    ...notable,
    entity: 'approval',
  },
  'proposal.created': { ...management, ...creates, ...done, entity: 'proposal' },
  'proposal.refused': {
    ...management,
    ...creates,
    severity_id: 2,
    status_id: 2,
    entity: 'proposal',
  },
  'signal.received': {
    ...session,
    ...buildOtherActivity('Revoke'),
    severity_id: 4,
    status_id: 1,
  },
  'canary.touched': {
    ...session,
    ...buildOtherActivity('Touch Canary'),
    severity_id: 5,
    status_id: 2,
  },
  'policy.changed': { ...management, ...updates, ...notable, entity: 'policy' },
  'key.changed': { ...management, ...updates, ...notable, entity: 'key' },
  'deny_list.updated': { ...management, ...updates, ...done, entity: 'role' },
  'chain.started': { ...lifecycle, activity_id: 3, activity_name: 'Start', ...notable },
  'chain.resumed': { ...lifecycle, activity_id: 3, activity_name: 'Start', ...done },
  'chain.checkpoint': { ...lifecycle, ...buildOtherActivity('Checkpoint'), ...done },
  'chain.pruned': { ...lifecycle, ...buildOtherActivity('Prune'), ...notable },
  'chain.closed': { ...lifecycle, activity_id: 4, activity_name: 'Stop', ...done },
};

const buildProduct = (version: string) => ({ name: 'Valetkey', vendor_name: 'Valetkey', version });

/** Attributes of every record. Times are milliseconds since the epoch, as OCSF's `timestamp_t`. */
const buildBaseAttributes = (kind: RecordKind, at: number, version: string) => {
  const { category_uid, class_uid, activity_id, activity_name, severity_id, status_id } =
    OCSF_CLASSES[kind];
  return {
    category_uid,
    class_uid,
    activity_id,
    activity_name,
    severity_id,
    status_id,
    type_uid: class_uid * 100 + activity_id,
    time: at,
    metadata: { version: OCSF_VERSION, product: buildProduct(version) },
  };
};

/** The attributes of a record about the chain itself. */
export const buildChainAttributes = (kind: ChainKind, at: number, version: string) => ({
  ...buildBaseAttributes(kind, at, version),
  app: buildProduct(version),
  unmapped: { kind },
});

/**
 * Builds the OCSF attributes of an event; members without an OCSF attribute are under `unmapped`. Only
 * the members listed here reach a record. A line has at most 16 KiB, because container runtimes split
 * longer lines.
 *
 * @param version product version
 */
export const buildEventAttributes = (event: AuditEvent, version: string) => {
  const about =
    OCSF_CLASSES[event.kind].class_uid === 3003 ? buildSessionAttributes : buildEntityAttributes;
  const base = buildBaseAttributes(event.kind, event.at, version);
  const correlation_uid = boundOptionalText(event.requestId);
  return omitUndefined({
    ...base,
    metadata: omitUndefined({ ...base.metadata, correlation_uid }),
    ...(event.calls !== undefined && event.calls.counts.refused > 0 && { severity_id: LOW }),
    ...about(event),
    actor: buildActor(event),
    status_code: boundOptionalText(event.reason),
    message: event.message === undefined ? undefined : boundText(event.message, 512),
    ...buildPeriod(event),
    unmapped: buildUnmapped(event),
  });
};

/** Severity of a record of calls of which some were refused. */
const LOW = 2;

/** Number and times of what one record counts. */
const buildPeriod = ({ counted, calls }: AuditEvent) => {
  if (calls === undefined) {
    return { count: counted?.count, start_time: counted?.from, end_time: counted?.to };
  }
  const { counts, startedAt, endedAt } = calls;
  const count = Object.values(counts).reduce((sum, each) => sum + each, 0);
  return { count, start_time: startedAt, end_time: endedAt };
};

const buildSessionAttributes = ({ actor, run, reason, kind, scope, deadline }: AuditEvent) => ({
  user: buildUser(actor),
  session: omitUndefined({
    uid: boundOptionalText(run),
    uid_alt: boundOptionalText(scope?.sessionName),
    expiration_time: scope?.deadline ?? deadline,
    expiration_reason: kind === 'run.ended' ? boundOptionalText(reason) : undefined,
  }),
  privileges: boundList(scope?.actions ?? [], 2_000),
});

const buildEntityAttributes = ({ kind, subject, decision }: AuditEvent) => ({
  entity: omitUndefined({
    type: OCSF_CLASSES[kind].entity,
    name: boundOptionalText(subject ?? 'unknown'),
    version: boundOptionalText(decision?.version),
  }),
});

const buildActor = ({ actor, decision }: AuditEvent) =>
  omitUndefined({
    user: buildUser(actor),
    app_name: boundOptionalText(actor?.consumer) ?? 'valetkey-authority',
    authorizations: decision === undefined ? undefined : listAuthorizations(decision),
  });

/** A workload, named by the user name of its service account. */
const buildUser = (actor: AuditEvent['actor']) => ({
  name:
    actor === undefined
      ? 'unknown'
      : boundText(`system:serviceaccount:${actor.namespace}:${actor.serviceAccount}`, 384),
  type_id: actor === undefined ? 0 : 4,
});

/** One entry for each policy that determined the decision; `none` when no policy permits. */
const listAuthorizations = ({
  outcome,
  policies,
  version,
}: NonNullable<AuditEvent['decision']>) => {
  const named = policies.length === 0 ? ['none'] : boundList(policies, 800);
  return named.map((name) => ({
    decision: boundText(outcome, 32),
    policy: { name, version: boundText(version, 64) },
  }));
};

const buildUnmapped = ({
  kind,
  actor,
  run,
  task,
  params,
  purpose,
  scope,
  exempted,
  subject,
  counted,
  calls,
  chain,
}: AuditEvent) =>
  omitUndefined({
    kind,
    namespace: boundOptionalText(actor?.namespace ?? counted?.namespace),
    pod: boundOptionalText(actor?.pod),
    pod_uid: boundOptionalText(actor?.podUid),
    user: actor?.user && {
      issuer: boundText(actor.user.issuer),
      subject: boundText(actor.user.subject),
    },
    // A session record has the run in `session.uid`.
    run: OCSF_CLASSES[kind].class_uid === 3003 ? undefined : boundOptionalText(run),
    // `chain` is the record's place in the chain of hashes.
    delegation_chain: chain && chain.length > 0 ? chain.map(buildLink) : undefined,
    task: boundOptionalText(task),
    params: params && boundMapping(params, 2_000),
    purpose: boundOptionalText(purpose),
    role: boundOptionalText(scope?.role),
    resources: scope && boundList(scope.resources, 2_000),
    session_policy_sha256: boundOptionalText(scope?.policySha256),
    exemptions: boundRuleIds(exempted?.exemptions),
    warned: boundRuleIds(exempted?.warned),
    calls: calls && buildCalls(boundCallHead(calls)),
    subject: OCSF_CLASSES[kind].class_uid === 3003 ? boundOptionalText(subject) : undefined,
  });

const buildLink = ({ run, namespace, serviceAccount, task }: ChainLink) => ({
  run: boundText(run),
  namespace: boundText(namespace),
  service_account: boundText(serviceAccount),
  task: boundText(task),
});

const buildCalls = ({ from, to, hash, counts, bytesIn, bytesOut, ...lists }: CallHead) => ({
  from,
  to,
  hash,
  counts,
  bytes_in: bytesIn,
  bytes_out: bytesOut,
  refusals: lists.refusals,
  used: lists.used,
  omitted: lists.omitted,
});

/** IDs of rules; most pods violate none. */
const boundRuleIds = (ids: readonly string[] = []): readonly string[] | undefined =>
  ids.length === 0 ? undefined : boundList(ids, 200);

const boundOptionalText = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : boundText(text);

/** Removes undefined members, which RFC 8785 does not define. */
const omitUndefined = <T extends object>(members: T): T =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
