import { createHash } from 'node:crypto';

import type { AuthorityMetrics } from '../../lib/edge/telemetry/authority-metrics.ts';
import { newUnavailableError } from '../../lib/identity/identity-refusals.ts';
import { createTokenBuckets } from '../../lib/async/token-buckets.ts';
import type { Caller } from '../../lib/exchange/caller.ts';
import type { EndedRun, RunEndDeps } from '../../lib/exchange/run-end-request.ts';
import type { Pod } from '../../lib/contract/pod.ts';
import type { ReadPod } from '../../lib/identity/workload-identification.ts';
import { findTasksEnvValue } from '../../lib/injection/consumers.ts';
import { buildCompletion } from '../../lib/revocation/completion.ts';
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

/**
 * Denies the session of a run that ended before its deadline, if its role opts in, and ends the runs that it
 * delegated.
 */
export type RunEndHandler = Pick<RunEndDeps, 'reportRunEnd'> & { readonly stop: () => void };

export type RunEndHandlerDeps = Pick<
  DenyListWriterDeps,
  'by' | 'record' | 'clock' | 'random' | 'onFailure'
> & {
  readonly cluster: Pick<ClusterClient, 'identity' | 'revocations' | 'createRoleLease'>;
  readonly issuer: Pick<Issuer, 'cloud'>;
  readonly revocations: Pick<RevocationWatch, 'listInForce' | 'subscribe'>;
  readonly metrics: Pick<AuthorityMetrics, 'denyListUpdated'>;
};

const LEASE_SECONDS = 30;
/**
 * Limits how many ends become Revocations: every replica watches those, a pod may end any number of
 * runs, and the deny list of a role holds about 270.
 */
const POD_RATE = { burst: 20, perSecond: 1 / 30, capacity: 16_384 };
/**
 * Of ends by a revocation, which no other runs use up: without one of them, the runs that it delegated would
 * continue. A container has at most 16 active runs, so only a forged report exceeds this.
 */
const REVOKED_RATE = { burst: 1_000, perSecond: 1, capacity: 16_384 };
const NAMESPACE_RATE = { burst: 200, perSecond: 1 / 4, capacity: 16_384 };

export const createRunEndHandler = (
  { platform }: AuthorityConfig,
  deps: RunEndHandlerDeps,
): RunEndHandler => {
  const { cluster, issuer, revocations, metrics } = deps;
  const { denyList: settings } = platform.authority;
  const { writeDenyList: write } = issuer.cloud;
  const isWithinLimit = createEndRateLimit(deps);
  if (settings === undefined || write === undefined) {
    return createCascade({ ...deps, isWithinLimit });
  }
  const denyListWriter = startDenyListWriter({
    ...deps,
    roles: settings.roles,
    list: cluster.revocations.list,
    listInForce: revocations.listInForce,
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
      isWithinLimit,
    }),
    stop: () => {
      unsubscribe();
      denyListWriter.stop();
    },
  };
};

/** Without deny lists, only the ends of runs that delegated become Revocations. */
const createCascade = ({
  cluster,
  by,
  isWithinLimit,
}: Pick<RunEndHandlerDeps, 'cluster' | 'by'> & {
  readonly isWithinLimit: (ended: Pick<EndedRun, 'caller' | 'end'>) => boolean;
}): RunEndHandler => {
  const publishRunEnd: DenyListWriter['publishRunEnd'] = async ({ run, end }) => {
    const { name, spec } = buildCompletion({ run, end, by });
    await cluster.revocations.create(name, spec);
  };
  const readRoles = (): Promise<readonly string[]> => Promise.resolve([]);
  const reporter = {
    denyListWriter: { publishRunEnd },
    readRoles,
    optedInRoles: [],
    isWithinLimit,
  };
  return { reportRunEnd: createEndReporter(reporter), stop: () => undefined };
};

/**
 * Checks whether an end may become a Revocation. Otherwise the deadline ends the session.
 *
 * @returns throws LoggableError for an end by a revocation: the sidecar repeats it, so that it is never omitted
 */
const createEndRateLimit = ({
  clock,
  onFailure,
}: Pick<RunEndHandlerDeps, 'clock' | 'onFailure'>) => {
  const { monotonic } = clock;
  const takeForPod = createTokenBuckets({ ...POD_RATE, monotonic });
  const takeForNamespace = createTokenBuckets({ ...NAMESPACE_RATE, monotonic });
  const takeForRevoked = createTokenBuckets({ ...REVOKED_RATE, monotonic });
  return ({ caller: { namespace, pod }, end }: Pick<EndedRun, 'caller' | 'end'>): boolean => {
    if (end === 'revoked') {
      if (takeForRevoked(pod.uid) === 0) return true;
      throw new LoggableError(`pod ${namespace}/${pod.name}: expected fewer revoked runs`);
    }
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
    readonly isWithinLimit: (ended: Pick<EndedRun, 'caller' | 'end'>) => boolean;
  }): RunEndDeps['reportRunEnd'] =>
  async ({ run, end, caller, hasDelegated }) => {
    try {
      const optsIn = (role: string): boolean => optedInRoles.includes(role);
      const isPublished = hasDelegated || (await readRoles(caller)).some(optsIn);
      if (!isPublished) return true;
      if (!isWithinLimit({ caller, end })) return false;
      await denyListWriter.publishRunEnd({ run, end });
      return true;
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
