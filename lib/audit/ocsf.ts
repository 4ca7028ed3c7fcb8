import { boundedList, boundedMapping, boundedText } from './bounds.ts';
import type { AuditEvent } from './record.ts';

/** Of the Open Cybersecurity Schema Framework, schema.ocsf.io. */
const OCSF_VERSION = '1.6.0';

/** What the chain itself records: its beginning, a process that goes on with it, checkpoints, its close. */
export type ChainKind = 'chain.begun' | 'chain.resumed' | 'chain.checkpoint' | 'chain.closed';
export type RecordKind = AuditEvent['kind'] | ChainKind;

type Meaning = {
  readonly category_uid: 3 | 6;
  readonly class_uid: 3003 | 3004 | 6002;
  readonly activity_id: number;
  readonly activity_name: string;
  /** 1 informational, 2 low, 3 medium. */
  readonly severity_id: 1 | 2 | 3;
  /** 0 not known yet, 1 success, 2 failure. */
  readonly status_id: 0 | 1 | 2;
  /** What `subject` names. */
  readonly entity?: string;
};

const session = { category_uid: 3, class_uid: 3003 } as const;
const management = { category_uid: 3, class_uid: 3004 } as const;
const lifecycle = { category_uid: 6, class_uid: 6002 } as const;
const assigns = { activity_id: 1, activity_name: 'Assign Privileges' } as const;
const creates = { activity_id: 1, activity_name: 'Create' } as const;
const updates = { activity_id: 3, activity_name: 'Update' } as const;
const deletes = { activity_id: 4, activity_name: 'Delete' } as const;
const other = (activity_name: string) => ({ activity_id: 99, activity_name }) as const;
const done = { severity_id: 1, status_id: 1 } as const;
const grave = { severity_id: 3, status_id: 1 } as const;

/** Each kind as OCSF says it: Authorize Session, Entity Management or Application Lifecycle. */
export const MEANINGS: Readonly<Record<RecordKind, Meaning>> = {
  'run.intent': { ...session, ...assigns, severity_id: 1, status_id: 0 },
  'run.issued': { ...session, ...assigns, ...done },
  'run.refused': { ...session, ...assigns, severity_id: 2, status_id: 2 },
  'run.ended': { ...session, ...other('End Session'), ...done },
  'end.refused': { ...session, ...other('End Session'), severity_id: 2, status_id: 2 },
  'stream.refused': { ...session, ...other('Listen'), severity_id: 2, status_id: 2 },
  'revocation.observed': { ...management, ...creates, ...grave, entity: 'revocation' },
  'revocation.collected': { ...management, ...deletes, ...done, entity: 'revocation' },
  'policy.changed': { ...management, ...updates, ...grave, entity: 'policy' },
  'key.changed': { ...management, ...updates, ...grave, entity: 'key' },
  'denial.written': { ...management, ...updates, ...done, entity: 'role' },
  'chain.begun': { ...lifecycle, activity_id: 3, activity_name: 'Start', ...grave },
  'chain.resumed': { ...lifecycle, activity_id: 3, activity_name: 'Start', ...done },
  'chain.checkpoint': { ...lifecycle, ...other('Checkpoint'), ...done },
  'chain.closed': { ...lifecycle, activity_id: 4, activity_name: 'Stop', ...done },
};

const product = (version: string) => ({ name: 'Valetkey', vendor_name: 'Valetkey', version });

/** What every record bears. Times are milliseconds since the epoch, as OCSF's `timestamp_t`. */
const frame = (kind: RecordKind, at: number, version: string) => {
  const { category_uid, class_uid, activity_id, activity_name, severity_id, status_id } =
    MEANINGS[kind];
  return {
    category_uid,
    class_uid,
    activity_id,
    activity_name,
    severity_id,
    status_id,
    type_uid: class_uid * 100 + activity_id,
    time: at,
    metadata: { version: OCSF_VERSION, product: product(version) },
  };
};

/** The attributes of a record about the chain itself. */
export const chainAttributes = (kind: ChainKind, at: number, version: string) => ({
  ...frame(kind, at, version),
  app: product(version),
  unmapped: { kind },
});

/**
 * An event in OCSF's words, and ours under `unmapped` where OCSF has none. Every member is named
 * here: what an event holds besides never reaches a record. One line is at most 16 KiB, because
 * container runtimes break longer ones.
 *
 * @param version the product's
 */
export const eventAttributes = (event: AuditEvent, version: string) => {
  const about = MEANINGS[event.kind].class_uid === 3003 ? aboutSession : aboutEntity;
  return defined({
    ...frame(event.kind, event.at, version),
    ...about(event),
    actor: actorOf(event),
    status_code: short(event.reason),
    message: event.message === undefined ? undefined : boundedText(event.message, 512),
    unmapped: unmappedOf(event),
  });
};

const aboutSession = ({ actor, run, reason, kind, scope }: AuditEvent) => ({
  user: userOf(actor),
  session: defined({
    uid: short(run),
    uid_alt: short(scope?.sessionName),
    expiration_time: scope?.deadline,
    expiration_reason: kind === 'run.ended' ? short(reason) : undefined,
  }),
  privileges: boundedList(scope?.actions ?? [], 2_000),
});

const aboutEntity = ({ kind, subject, decision }: AuditEvent) => ({
  entity: defined({
    type: MEANINGS[kind].entity,
    name: short(subject ?? 'unknown'),
    version: short(decision?.version),
  }),
});

const actorOf = ({ actor, decision }: AuditEvent) =>
  defined({
    user: userOf(actor),
    app_name: short(actor?.consumer) ?? 'valetkey-authority',
    authorizations: decision === undefined ? undefined : authorizationsOf(decision),
  });

/** A workload by the name that Kubernetes gives its service account. */
const userOf = (actor: AuditEvent['actor']) => ({
  name:
    actor === undefined
      ? 'unknown'
      : boundedText(`system:serviceaccount:${actor.namespace}:${actor.serviceAccount}`, 384),
  type_id: actor === undefined ? 0 : 4,
});

/** One entry for each policy that decided; without any, it is that none permits. */
const authorizationsOf = ({ outcome, policies, version }: NonNullable<AuditEvent['decision']>) => {
  const named = policies.length === 0 ? ['none'] : boundedList(policies, 800);
  return named.map((name) => ({
    decision: boundedText(outcome, 32),
    policy: { name, version: boundedText(version, 64) },
  }));
};

const unmappedOf = ({
  kind,
  actor,
  run,
  task,
  params,
  purpose,
  scope,
  excused,
  subject,
}: AuditEvent) =>
  defined({
    kind,
    namespace: short(actor?.namespace),
    pod: short(actor?.pod),
    pod_uid: short(actor?.podUid),
    user: actor?.user && {
      issuer: boundedText(actor.user.issuer),
      subject: boundedText(actor.user.subject),
    },
    // Of a session, OCSF has the run already.
    run: MEANINGS[kind].class_uid === 3003 ? undefined : short(run),
    task: short(task),
    params: params && boundedMapping(params, 2_000),
    purpose: short(purpose),
    role: short(scope?.role),
    resources: scope && boundedList(scope.resources, 2_000),
    session_policy_sha256: short(scope?.policySha256),
    exceptions: someOf(excused?.exceptions),
    warned: someOf(excused?.warned),
    subject: MEANINGS[kind].class_uid === 3003 ? short(subject) : undefined,
  });

/** Ids of rules; most pods break none. */
const someOf = (ids: readonly string[] = []): readonly string[] | undefined =>
  ids.length === 0 ? undefined : boundedList(ids, 200);

const short = (text: string | undefined): string | undefined =>
  text === undefined ? undefined : boundedText(text);

/** Without members that are not there: RFC 8785 knows no undefined. */
const defined = <T extends object>(members: T): T =>
  Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;
