import type { Revocation, RevocationSpec } from '../contract/authority-api.ts';
import { TAGS } from '../grant/session-tags.ts';
import { isCompletionBy, isReportedBy } from './completion.ts';
import type { DeniedRun } from '../scope/aws/deny-list-policy.ts';
import type { DeniedSessions } from '../scope/aws/denied-sessions.ts';
import { truncatePodName } from '../scope/aws/session-name.ts';

export type DenyListOptions = {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** The longest lifetime of a run. */
  readonly maxLifetimeSeconds: number;
  /** A replica whose Revocations are older than this issues no credentials. */
  readonly staleAfterSeconds: number;
  /** The authority's own user name at the API server. */
  readonly by: string;
};

/** Largest difference between two clocks. */
const SKEW_MS = 30_000;

/**
 * The runs and sessions that a role's deny list must name, so that the cloud enforces the Revocations.
 * A revoked run expires at most one maximum lifetime after its Revocation. Any other Revocation denies
 * the sessions that were issued before the last replica received it.
 */
export const buildDenyList = (
  revocations: readonly Revocation[],
  options: DenyListOptions,
): { readonly runs: readonly DeniedRun[]; readonly sessions: readonly DeniedSessions[] } => {
  const { now, maxLifetimeSeconds, staleAfterSeconds, by } = options;
  const lifetimeMs = maxLifetimeSeconds * 1000;
  const runs = revocations.flatMap((revocation) => {
    const { createdAt, spec } = revocation;
    const hasCompleted = isCompletionBy(revocation, by);
    const isReported = isReportedBy(revocation, by);
    const deadline = createdAt + lifetimeMs;
    return spec.run === undefined ? [] : [{ run: spec.run, deadline, hasCompleted, isReported }];
  });
  const sessions = revocations
    .filter(({ spec }) => spec.run === undefined)
    .map(({ createdAt, spec }) => {
      const receivedAt = createdAt + staleAfterSeconds * 1000;
      const liftedAt = spec.until === undefined ? Infinity : Date.parse(spec.until);
      return { ...toDeniedSessions(spec), issuedUntil: Math.min(receivedAt, liftedAt) + SKEW_MS };
    })
    .filter(({ issuedUntil }) => issuedUntil + lifetimeMs + SKEW_MS > now);
  return { runs, sessions };
};

const toDeniedSessions = ({
  pod,
  task,
  serviceAccount,
  namespace,
}: RevocationSpec): Omit<DeniedSessions, 'issuedUntil'> => {
  if (pod !== undefined) {
    const tags = { [TAGS.namespace]: pod.namespace };
    return { tags, podName: truncatePodName(pod.name) };
  }
  if (task !== undefined) {
    const { namespace, serviceAccount } = task;
    const account = { [TAGS.namespace]: namespace, [TAGS.serviceAccount]: serviceAccount };
    return { tags: { ...account, [TAGS.task]: task.task } };
  }
  if (serviceAccount !== undefined) {
    const { namespace, name } = serviceAccount;
    return { tags: { [TAGS.namespace]: namespace, [TAGS.serviceAccount]: name } };
  }
  return { tags: namespace === undefined ? {} : { [TAGS.namespace]: namespace } };
};
