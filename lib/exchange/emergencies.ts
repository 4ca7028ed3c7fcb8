import { createHash } from 'node:crypto';

import type { Recorder } from '../audit/audit-event.ts';
import type { Emergency } from '../approvals/approval-evaluation.ts';
import type { Approval, ApprovalRequest } from '../contract/approvals.ts';
import type { UsedHandleLease, UsedHandleLeases } from '../identity/use-once.ts';
import { RequestError } from './token-refusal.ts';

/** What one person decided alone, until another one has reviewed it. */
export type Emergencies = {
  /**
   * Begins the emergency of a group. Repeated for the same Approval, it changes nothing.
   *
   * @throws RequestError `emergency_unreviewed`; what the API server throws; AuditError
   */
  readonly begin: (request: ApprovalRequest, emergency: Emergency) => Promise<void>;
  /** @throws RequestError `emergency_unreviewed` if a group of the request was decided by one person alone */
  readonly requireReviewed: (request: ApprovalRequest) => Promise<void>;
  /** Looks for reviews. @returns the UIDs of the requests that still wait for one */
  readonly collectReviews: () => Promise<ReadonlySet<string>>;
};

export type EmergencyDeps = {
  /** `list` need not have only those of emergencies. */
  readonly leases: Pick<UsedHandleLeases, 'create' | 'read' | 'list' | 'remove'>;
  readonly listApprovals: (request: {
    readonly namespace: string;
    readonly name: string;
  }) => Promise<readonly Approval[]>;
  readonly record: Recorder;
  readonly onReviewed: () => void;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};

const KIND = 'emergency';
/** A review ends it, not a time. */
const NEVER = Date.UTC(9999, 0);

/** What a Lease states about its emergency. */
type Holder = {
  readonly namespace: string;
  readonly request: string;
  readonly requestUid: string;
  readonly approvalUid: string;
  readonly group: string;
  readonly by: string;
};

const formatHolder = ({ by, ...rest }: Holder): string =>
  [rest.namespace, rest.request, rest.requestUid, rest.approvalUid, rest.group, by].join(' ');

/** The name of a person is last: it may have any characters. */
const readHolder = ({ holder = '' }: Pick<UsedHandleLease, 'holder'>): Holder => {
  const [namespace = '', request = '', requestUid = '', approvalUid = '', group = '', ...by] =
    holder.split(' ');
  return { namespace, request, requestUid, approvalUid, group, by: by.join(' ') };
};

/** A group is a name in the whole cluster, and so is its emergency. */
const buildName = (group: string): string =>
  `emergency-${createHash('sha256').update(group).digest('hex')}`;

/** Creates what keeps emergencies as Leases, which all replicas share. */
export const createEmergencies = (deps: EmergencyDeps): Emergencies => {
  const { leases, now } = deps;

  /** @returns whether someone else has reviewed it; then the Lease is gone */
  const review = async (lease: UsedHandleLease): Promise<boolean> => {
    const { namespace, request: name, requestUid, approvalUid, group, by } = readHolder(lease);
    const found = (await deps.listApprovals({ namespace, name })).find(
      ({ spec }) =>
        spec.decision === 'review' &&
        spec.request.uid === requestUid &&
        spec.group === group &&
        spec.by !== by,
    );
    if (found === undefined) return false;
    const once = { name: `reviewed-${approvalUid}`.toLowerCase(), kind: 'emergency-review' };
    const at = now();
    if ((await leases.create({ ...once, usedAt: at, endsAt: at + KEPT_MS })) === 'created') {
      deps.onReviewed();
      await deps.record({
        kind: 'emergency.reviewed',
        at,
        subject: `${namespace}/${name}`,
        message: `group ${group}, of ${by}, reviewed by ${found.spec.by}`,
      });
    }
    await leases.remove(lease.name);
    return true;
  };

  const refuse = (lease: UsedHandleLease): never => {
    const { namespace, request, group, by } = readHolder(lease);
    throw new RequestError(
      'emergency_unreviewed',
      `${by} decided alone for ${group}: another person must review it: kubectl valetkey review -n ${namespace} ${request}`,
    );
  };

  return {
    begin: async ({ namespace, name, uid }, { group, by, uid: approvalUid }) => {
      const holder = { namespace, request: name, requestUid: uid, approvalUid, group, by };
      const lease = {
        name: buildName(group),
        kind: KIND,
        holder: formatHolder(holder),
        usedAt: now(),
        endsAt: NEVER,
      };
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
        if ((await leases.create(lease)) === 'created') return;
        const earlier = await leases.read(lease.name);
        if (earlier === undefined || earlier.holder === lease.holder) {
          if (earlier !== undefined) return;
        } else if (!(await review(earlier))) refuse(earlier);
      }
      throw new RequestError(
        'approvals_unavailable',
        `emergency of ${group}: it changes too often`,
      );
    },
    requireReviewed: async ({ uid, spec }) => {
      for (const { name: group } of spec.groups) {
        const lease = await leases.read(buildName(group));
        const isOwn = lease !== undefined && readHolder(lease).requestUid === uid;
        if (isOwn && !(await review(lease))) refuse(lease);
      }
    },
    collectReviews: async () => {
      const waiting = new Set<string>();
      for (const lease of (await leases.list()).filter(({ kind }) => kind === KIND)) {
        if (!(await review(lease))) waiting.add(readHolder(lease).requestUid);
      }
      return waiting;
    },
  };
};

/** Several replicas may find the same review at once. */
const MAX_ATTEMPTS = 3;
/** How long a review is remembered, so that it is recorded once. */
const KEPT_MS = 60 * 60_000;
