import type { ChainLink } from '../contract/approvals.ts';
import type { Revocation, RevocationSpec, StreamedRevocation } from '../contract/authority-api.ts';

/** The pod at the other end of an event stream. */
export type PodTarget = {
  readonly namespace: string;
  readonly serviceAccount: string;
  readonly pod: string;
  readonly podUid: string;
};

/** A run, or a request for one (which has no `run` yet). */
export type RevocationTarget = PodTarget & {
  readonly task: string;
  readonly run?: string;
  /** The runs above a delegated one: what ends one of them ends it, too. */
  readonly ancestors?: readonly ChainLink[];
};

/**
 * Whether the Revocation applies to a run issued at `at` (milliseconds since the epoch). After its
 * `until` new runs may start; runs issued before that time stay revoked.
 */
export const isInForce = ({ until }: Pick<RevocationSpec, 'until'>, at: number): boolean =>
  until === undefined || Date.parse(until) > at;

/** Whether the Revocation names this run, regardless of time. */
export const matchesRun = ({ spec }: Pick<Revocation, 'spec'>, run: RevocationTarget): boolean =>
  listRunKeys(run).includes(buildSpecKey(spec)) && matchesPodAndTask(spec, run);

/** Revocations indexed by their target, so that a lookup does not scan all of them. */
export type RevocationIndex = {
  readonly all: readonly Revocation[];
  /** Those that name a run. */
  readonly runRevocations: readonly Revocation[];
  /** A Revocation that names this run, or one above it, and is in force at `at`; for a new run, the present. */
  readonly find: (run: RevocationTarget, at: number) => Revocation | undefined;
  /**
   * The Revocations to send to this pod at `at`; `own` are those that name runs of this pod. Of the runs that it
   * follows also those that say that they ended.
   */
  readonly forPod: (
    pod: PodTarget,
    at: number,
    runs: { readonly own: readonly Revocation[]; readonly followed?: readonly string[] },
  ) => readonly StreamedRevocation[];
};

export const indexRevocations = (revocations: readonly Revocation[]): RevocationIndex => {
  const byKey = Map.groupBy(revocations, ({ spec }) => buildSpecKey(spec));
  const named = (keys: readonly string[]) => keys.flatMap((key) => byKey.get(key) ?? []);
  return {
    all: revocations,
    runRevocations: revocations.filter(({ spec }) => spec.run !== undefined),
    find: (run, at) => {
      for (const target of [run, ...(run.ancestors ?? []).map(toAncestorTarget)]) {
        const found = named(listRunKeys(target)).find(
          ({ spec }) => isInForce(spec, at) && matchesPodAndTask(spec, target),
        );
        if (found !== undefined) return found;
      }
      return undefined;
    },
    forPod: (pod, at, { own, followed = [] }) =>
      [...named(listPodKeys(pod)), ...own, ...named(followed.map((run) => `run ${run}`))]
        .filter(({ spec }) => isInForce(spec, at) && matchesPodUid(spec, pod))
        .map(toStreamed),
  };
};

const buildSpecKey = ({ run, pod, task, serviceAccount, namespace }: RevocationSpec): string => {
  if (run !== undefined) return `run ${run}`;
  if (pod !== undefined) return `pod ${pod.namespace}/${pod.name}`;
  if (task !== undefined) return `task ${task.namespace}/${task.serviceAccount}`;
  if (serviceAccount !== undefined) {
    return `serviceaccount ${serviceAccount.namespace}/${serviceAccount.name}`;
  }
  return namespace === undefined ? 'all' : `namespace ${namespace}`;
};

const listPodKeys = ({ namespace, serviceAccount, pod }: PodTarget): readonly string[] => [
  `pod ${namespace}/${pod}`,
  `task ${namespace}/${serviceAccount}`,
  `serviceaccount ${namespace}/${serviceAccount}`,
  `namespace ${namespace}`,
  'all',
];

const listRunKeys = (run: RevocationTarget): readonly string[] => [
  ...(run.run === undefined ? [] : [`run ${run.run}`]),
  ...listPodKeys(run),
];

/** Nothing is known of the pods of runs above a run: their own sidecars report what ends with them. */
const toAncestorTarget = (link: ChainLink): RevocationTarget => ({ ...link, pod: '', podUid: '' });

/** A target with a UID matches only that pod, not a later pod of the same name. */
const matchesPodUid = ({ pod }: RevocationSpec, { podUid }: PodTarget): boolean =>
  pod?.uid === undefined || pod.uid === podUid;

const matchesPodAndTask = (spec: RevocationSpec, run: RevocationTarget): boolean =>
  matchesPodUid(spec, run) && (spec.task === undefined || spec.task.task === run.task);

const toStreamed = ({ name, spec: { run, task, reason } }: Revocation): StreamedRevocation => ({
  name,
  ...(run !== undefined && { run }),
  ...(task !== undefined && { task: task.task }),
  reason,
});
