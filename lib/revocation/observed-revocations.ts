import type { Revocation, RevocationSpec } from '../contract/authority-api.ts';
import type { AuditEvent } from '../audit/audit-event.ts';
import { isCompletionBy } from './completion.ts';

/** What a restart may have missed; older ones were there before and are counted in one record. */
const YOUNG_MS = 3_600_000;
const MAX_YOUNG = 100;

/**
 * The records of what is observed for the first time. What stands when a replica starts was mostly
 * recorded by it, or another, before: of that, young ones have a record each, and one counts the
 * rest. An authority's own word that a run completed has its record already, as the run's end.
 *
 * @param known UIDs of those told before; nothing: the replica has just started
 * @param by the authority's own name at the API server
 */
export const buildObservedEvents = (
  revocations: readonly Revocation[],
  { known, by, now }: { known: ReadonlySet<string> | undefined; by: string; now: number },
): readonly AuditEvent[] => {
  const others = revocations.filter((revocation) => !isCompletionBy(revocation, by));
  const event = (revocation: Revocation) => buildObservedEvent(revocation, now);
  if (known !== undefined) return others.filter(({ uid }) => !known.has(uid)).map(event);
  const young = others
    .filter(({ createdAt }) => now - createdAt <= YOUNG_MS)
    .toSorted((one, other) => other.createdAt - one.createdAt)
    .slice(0, MAX_YOUNG);
  const rest = others.length - young.length;
  return rest === 0 ? young.map(event) : [...young.map(event), buildSummaryEvent(rest, now)];
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

/** Whom a Revocation names, for people. */
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
