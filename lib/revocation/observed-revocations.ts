import type { Revocation, RevocationSpec } from '../contract/authority-api.ts';
import type { AuditEvent } from '../audit/audit-event.ts';
import { isCompletionBy } from './completion.ts';

/** Age of Revocations that a restart may have missed. Older ones are counted in one record. */
const RECENT_MS = 3_600_000;
const MAX_RECENT = 100;

/**
 * Audit events of the Revocations that a replica observes for the first time. Most Revocations that
 * exist when a replica starts were recorded before, by it or another replica: of these, each recent one
 * has an event and one event counts the rest. A completion that an authority published has no event
 * here, because the end of the run is already recorded.
 *
 * @param known UIDs of Revocations observed before; undefined when the replica has just started
 * @param by the authority's own user name at the API server
 */
export const buildObservedEvents = (
  revocations: readonly Revocation[],
  { known, by, now }: { known: ReadonlySet<string> | undefined; by: string; now: number },
): readonly AuditEvent[] => {
  const others = revocations.filter((revocation) => !isCompletionBy(revocation, by));
  const event = (revocation: Revocation) => buildObservedEvent(revocation, now);
  if (known !== undefined) return others.filter(({ uid }) => !known.has(uid)).map(event);
  const recent = others
    .filter(({ createdAt }) => now - createdAt <= RECENT_MS)
    .toSorted((one, other) => other.createdAt - one.createdAt)
    .slice(0, MAX_RECENT);
  const rest = others.length - recent.length;
  return rest === 0 ? recent.map(event) : [...recent.map(event), buildSummaryEvent(rest, now)];
};

const buildObservedEvent = ({ name, createdAt, spec }: Revocation, at: number): AuditEvent => ({
  kind: 'revocation.observed',
  at,
  subject: name,
  ...(spec.run !== undefined && { run: spec.run }),
  ...(spec.task !== undefined && { task: spec.task.task }),
  reason: 'revoked',
  message: `${formatTarget(spec)} revoked by ${spec.by} at ${new Date(createdAt).toISOString()}: ${spec.reason}`,
});

const buildSummaryEvent = (count: number, at: number): AuditEvent => ({
  kind: 'revocation.observed',
  at,
  reason: 'existing_at_start',
  message: `${count} older Revocations existed when this replica started`,
});

/** The target of a Revocation, as text. */
export const formatTarget = (spec: RevocationSpec): string => {
  const { run, pod, task, serviceAccount, namespace } = spec;
  if (run !== undefined) return `run ${run}`;
  if (pod !== undefined) return `pod ${pod.namespace}/${pod.name}`;
  if (task !== undefined) return `task ${task.namespace}/${task.serviceAccount}/${task.task}`;
  if (serviceAccount !== undefined) {
    return `service account ${serviceAccount.namespace}/${serviceAccount.name}`;
  }
  return namespace === undefined ? 'everything' : `namespace ${namespace}`;
};
