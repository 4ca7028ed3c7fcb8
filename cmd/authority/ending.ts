import { createHash } from 'node:crypto';

import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { unavailable } from '../../lib/identity/refusals.ts';
import { openBuckets } from '../../lib/issuing/buckets.ts';
import type { Claimant } from '../../lib/issuing/caller.ts';
import type { EndParts } from '../../lib/issuing/run-end.ts';
import { StatedError } from '../../lib/reading/stated-error.ts';
import type { Cluster } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import { openDenial, type Denial, type DenialEdges } from './denial.ts';
import type { Issuer } from './issuer.ts';
import type { Revocations } from './revocations.ts';
import { openRunRoles } from './run-roles.ts';

/** What follows when a run ends before its deadline, on roles that opt in. */
export type Ending = Pick<EndParts, 'tellEnded'> & { readonly stop: () => void };

export type EndingEdges = Pick<DenialEdges, 'by' | 'record' | 'clock' | 'random' | 'onFailure'> & {
  readonly cluster: Pick<Cluster, 'identity' | 'revocations' | 'roleLease'>;
  readonly issuer: Pick<Issuer, 'cloud'>;
  readonly revocations: Pick<Revocations, 'subscribe'>;
  readonly metrics: Pick<AuthorityMetrics, 'denied'>;
};

const LEASE_SECONDS = 30;
/**
 * Ends that become Revocations, which every replica watches: a pod ends as many runs as it likes, and
 * a role has room to deny some 270.
 */
const OF_ONE_POD = { burst: 20, perSecond: 1 / 30, capacity: 16_384 };
const OF_ONE_NAMESPACE = { burst: 200, perSecond: 1 / 4, capacity: 16_384 };

export const openEnding = ({ platform }: AuthorityConfig, edges: EndingEdges): Ending => {
  const { cluster, issuer, revocations, metrics } = edges;
  const { denial: settings } = platform.authority;
  const { writeDenial: write } = issuer.cloud;
  if (settings === undefined || write === undefined) {
    return { tellEnded: () => Promise.resolve(), stop: () => undefined };
  }
  const denial = openDenial({
    ...edges,
    roles: settings.roles,
    list: cluster.revocations.list,
    create: cluster.revocations.create,
    lease: (role) => cluster.roleLease(leaseOf(role), LEASE_SECONDS),
    write,
    lifetimeCeilingSeconds: platform.tasks.lifetimeCeilingSeconds,
    onWritten: (_, lagSeconds) => {
      if (lagSeconds !== undefined) metrics.denied(lagSeconds);
    },
  });
  const unsubscribe = revocations.subscribe(denial.wake);
  const rolesOf = openRunRoles(cluster.identity.readPod, settings.roles);
  return {
    tellEnded: tellEnd({
      ...{ denial, rolesOf, optingIn: settings.roles, isWithinShare: openShares(edges) },
    }),
    stop: () => {
      unsubscribe();
      denial.stop();
    },
  };
};

/** Whether an end of this pod may still become a Revocation. Its deadline ends it anyway. */
const openShares = ({ clock, onFailure }: Pick<EndingEdges, 'clock' | 'onFailure'>) => {
  const { monotonic } = clock;
  const ofPod = openBuckets({ ...OF_ONE_POD, monotonic });
  const ofNamespace = openBuckets({ ...OF_ONE_NAMESPACE, monotonic });
  return ({ namespace, pod }: Claimant): boolean => {
    if (ofPod(pod.uid) === 0 && ofNamespace(namespace) === 0) return true;
    const message = `pod ${namespace}/${pod.name}: expected fewer ends of runs`;
    onFailure('an ended run is left to its deadline', new StatedError(message));
    return false;
  };
};

/** A sidecar that is told "unavailable" tells us again. */
const tellEnd =
  ({
    denial,
    rolesOf,
    optingIn,
    isWithinShare,
  }: {
    readonly denial: Pick<Denial, 'runEnded'>;
    readonly rolesOf: ReturnType<typeof openRunRoles>;
    readonly optingIn: readonly string[];
    readonly isWithinShare: (claimant: Claimant) => boolean;
  }): EndParts['tellEnded'] =>
  async ({ run, end, claimant }) => {
    try {
      const roles = await rolesOf(claimant);
      const concerned = roles.filter((role) => optingIn.includes(role));
      if (concerned.length === 0 || !isWithinShare(claimant)) return;
      await denial.runEnded({ run, end, roles: concerned });
    } catch (cause) {
      const message = 'the API server did not take the end of the run';
      throw unavailable('kubernetes_unavailable', message, { cause });
    }
  };

/** An ARN is no name that Kubernetes would take. */
const leaseOf = (role: string): string =>
  `denial-${createHash('sha256').update(role).digest('hex').slice(0, 40)}`;
