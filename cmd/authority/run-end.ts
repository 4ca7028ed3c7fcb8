import { createHash } from 'node:crypto';

import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { newUnavailableError } from '../../lib/identity/identity-refusals.ts';
import { createTokenBuckets } from '../../lib/async/token-buckets.ts';
import type { Caller } from '../../lib/exchange/caller.ts';
import type { RunEndDeps } from '../../lib/exchange/run-end-request.ts';
import { LoggableError } from '../../lib/schema/loggable-error.ts';
import type { ClusterClient } from './cluster.ts';
import type { AuthorityConfig } from './config.ts';
import {
  startDenyListWriter,
  type DenyListWriter,
  type DenyListWriterDeps,
} from './deny-list-writer.ts';
import type { Issuer } from './issuer.ts';
import type { RevocationWatch } from './revocation-watch.ts';
import { createRunRoleReader } from './run-roles.ts';

/** What follows when a run ends before its deadline, on roles that opt in. */
export type RunEndHandler = Pick<RunEndDeps, 'reportRunEnd'> & { readonly stop: () => void };

export type RunEndHandlerDeps = Pick<
  DenyListWriterDeps,
  'by' | 'record' | 'clock' | 'random' | 'onFailure'
> & {
  readonly cluster: Pick<ClusterClient, 'identity' | 'revocations' | 'createRoleLease'>;
  readonly issuer: Pick<Issuer, 'cloud'>;
  readonly revocations: Pick<RevocationWatch, 'subscribe'>;
  readonly metrics: Pick<AuthorityMetrics, 'denyListUpdated'>;
};

const LEASE_SECONDS = 30;
/**
 * Ends that become Revocations, which every replica watches: a pod ends as many runs as it likes, and
 * a role has room to deny some 270.
 */
const POD_RATE = { burst: 20, perSecond: 1 / 30, capacity: 16_384 };
const NAMESPACE_RATE = { burst: 200, perSecond: 1 / 4, capacity: 16_384 };

export const createRunEndHandler = (
  { platform }: AuthorityConfig,
  edges: RunEndHandlerDeps,
): RunEndHandler => {
  const { cluster, issuer, revocations, metrics } = edges;
  const { denial: settings } = platform.authority;
  const { writeDenyList: write } = issuer.cloud;
  if (settings === undefined || write === undefined) {
    return { reportRunEnd: () => Promise.resolve(), stop: () => undefined };
  }
  const denyListWriter = startDenyListWriter({
    ...edges,
    roles: settings.roles,
    list: cluster.revocations.list,
    create: cluster.revocations.create,
    lease: (role) => cluster.createRoleLease(buildLeaseName(role), LEASE_SECONDS),
    write,
    maxLifetimeSeconds: platform.tasks.maxLifetimeSeconds,
    onWritten: (_, lagSeconds) => {
      if (lagSeconds !== undefined) metrics.denyListUpdated(lagSeconds);
    },
  });
  const unsubscribe = revocations.subscribe(denyListWriter.wake);
  const readRoles = createRunRoleReader(cluster.identity.readPod, settings.roles);
  return {
    reportRunEnd: createEndReporter({
      ...{
        denyListWriter,
        readRoles,
        optedInRoles: settings.roles,
        isWithinLimit: createEndRateLimit(edges),
      },
    }),
    stop: () => {
      unsubscribe();
      denyListWriter.stop();
    },
  };
};

/** Whether an end of this pod may still become a Revocation. Its deadline ends it anyway. */
const createEndRateLimit = ({
  clock,
  onFailure,
}: Pick<RunEndHandlerDeps, 'clock' | 'onFailure'>) => {
  const { monotonic } = clock;
  const takeForPod = createTokenBuckets({ ...POD_RATE, monotonic });
  const takeForNamespace = createTokenBuckets({ ...NAMESPACE_RATE, monotonic });
  return ({ namespace, pod }: Caller): boolean => {
    if (takeForPod(pod.uid) === 0 && takeForNamespace(namespace) === 0) return true;
    const message = `pod ${namespace}/${pod.name}: expected fewer ends of runs`;
    onFailure('an ended run is left to its deadline', new LoggableError(message));
    return false;
  };
};

/** A sidecar that is told "unavailable" tells us again. */
const createEndReporter =
  ({
    denyListWriter,
    readRoles,
    optedInRoles,
    isWithinLimit,
  }: {
    readonly denyListWriter: Pick<DenyListWriter, 'publishRunEnd'>;
    readonly readRoles: ReturnType<typeof createRunRoleReader>;
    readonly optedInRoles: readonly string[];
    readonly isWithinLimit: (claimant: Caller) => boolean;
  }): RunEndDeps['reportRunEnd'] =>
  async ({ run, end, caller }) => {
    try {
      const roles = await readRoles(caller);
      const affected = roles.filter((role) => optedInRoles.includes(role));
      if (affected.length === 0 || !isWithinLimit(caller)) return;
      await denyListWriter.publishRunEnd({ run, end, roles: affected });
    } catch (cause) {
      const message = 'the API server did not take the end of the run';
      throw newUnavailableError('kubernetes_unavailable', message, { cause });
    }
  };

/** An ARN is no name that Kubernetes would take. */
const buildLeaseName = (role: string): string =>
  `denial-${createHash('sha256').update(role).digest('hex').slice(0, 40)}`;
