import { createHash } from 'node:crypto';

import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { newUnavailableError } from '../../lib/identity/identity-refusals.ts';
import { createTokenBuckets } from '../../lib/async/token-buckets.ts';
import type { Caller } from '../../lib/exchange/caller.ts';
import type { RunEndDeps } from '../../lib/exchange/run-end-request.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { ReadPod } from '../../lib/identity/workload-identification.ts';
import { findTasksEnvValue } from '../../lib/injection/consumers.ts';
import { parsePod } from '../../lib/injection/pod-schema.ts';
import { readAdmittedTasks } from '../../lib/task/admitted-tasks.ts';
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

/** Denies the session of a run that ended before its deadline, if its role opts in. */
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
 * Limits how many ends become Revocations: every replica watches those, a pod may end any number of
 * runs, and the deny list of a role holds about 270.
 */
const POD_RATE = { burst: 20, perSecond: 1 / 30, capacity: 16_384 };
const NAMESPACE_RATE = { burst: 200, perSecond: 1 / 4, capacity: 16_384 };

export const createRunEndHandler = (
  { platform }: AuthorityConfig,
  deps: RunEndHandlerDeps,
): RunEndHandler => {
  const { cluster, issuer, revocations, metrics } = deps;
  const { denyList: settings } = platform.authority;
  const { writeDenyList: write } = issuer.cloud;
  if (settings === undefined || write === undefined) {
    return { reportRunEnd: () => Promise.resolve(), stop: () => undefined };
  }
  const denyListWriter = startDenyListWriter({
    ...deps,
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
      denyListWriter,
      readRoles,
      optedInRoles: settings.roles,
      isWithinLimit: createEndRateLimit(deps),
    }),
    stop: () => {
      unsubscribe();
      denyListWriter.stop();
    },
  };
};

/** Checks whether an end may become a Revocation. Otherwise the deadline ends the session. */
const createEndRateLimit = ({
  clock,
  onFailure,
}: Pick<RunEndHandlerDeps, 'clock' | 'onFailure'>) => {
  const { monotonic } = clock;
  const takeForPod = createTokenBuckets({ ...POD_RATE, monotonic });
  const takeForNamespace = createTokenBuckets({ ...NAMESPACE_RATE, monotonic });
  return ({ namespace, pod }: Caller): boolean => {
    if (takeForPod(pod.uid) === 0 && takeForNamespace(namespace) === 0) return true;
    const message = `pod ${namespace}/${pod.name}: expected fewer ended runs`;
    onFailure('ended run not denied before its deadline', new LoggableError(message));
    return false;
  };
};

/** The sidecar repeats its report if the response is unavailable. */
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
    readonly isWithinLimit: (caller: Caller) => boolean;
  }): RunEndDeps['reportRunEnd'] =>
  async ({ run, end, caller }) => {
    try {
      const roles = await readRoles(caller);
      const affected = roles.filter((role) => optedInRoles.includes(role));
      if (affected.length === 0 || !isWithinLimit(caller)) return;
      await denyListWriter.publishRunEnd({ run, end, roles: affected });
    } catch (cause) {
      const message = 'the API server did not accept the end of the run';
      throw newUnavailableError('kubernetes_unavailable', message, { cause });
    }
  };

/** An ARN is not a valid Kubernetes name. */
const buildLeaseName = (role: string): string =>
  `deny-list-${createHash('sha256').update(role).digest('hex').slice(0, 40)}`;

/**
 * Creates the reader of the roles that a run of a pod may have, from the tasks of its sidecar. If the
 * pod no longer exists, all roles that opt in: an unnecessary denial costs only a Revocation.
 *
 * @returns throws KubernetesError
 */
export const createRunRoleReader =
  (read: ReadPod, all: readonly string[]) =>
  async ({ namespace, pod }: Caller): Promise<readonly string[]> => {
    const found = parsePod(await read({ namespace, name: pod.name }));
    if (!found.ok || found.value.metadata?.uid !== pod.uid) return all;
    return readDeclaredRoles(found.value) ?? all;
  };

const readDeclaredRoles = (pod: Pod): readonly string[] | undefined => {
  const admitted = readAdmittedTasks(findTasksEnvValue(pod)?.text ?? '');
  return admitted.ok ? admitted.value.tasks.map(({ role }) => role) : undefined;
};
