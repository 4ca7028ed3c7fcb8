import type { AuthorityAccess } from '../../lib/contract/authority.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import type { Container, Pod } from '../../lib/contract/pod.ts';
import { sidecarsOf } from '../../lib/injection/consumers.ts';
import type { AcceptedProfiles } from '../../lib/injection/profile.ts';

export type DependentsEdges = {
  readonly injectedPods: () => AsyncIterable<Pod>;
  /** Nothing: not known yet. */
  readonly profiles: () => AcceptedProfiles | undefined;
  readonly clock: Pick<Clock, 'monotonic'>;
};

/** Pods are many: they are not listed for every round. */
const MAX_AGE_MS = 30_000;

/**
 * The roots that live pods trust, each set once: those of the profiles that they were injected from,
 * which nobody can change any more. What a pod says of itself beyond that holds nobody up.
 *
 * @returns throws KubernetesError, and Error while no profile is known
 */
export const openDependents = ({
  injectedPods,
  profiles,
  clock,
}: DependentsEdges): (() => Promise<readonly string[]>) => {
  let held: { readonly roots: readonly string[]; readonly at: number } | undefined;
  return async () => {
    const at = clock.monotonic();
    if (held !== undefined && at - held.at < MAX_AGE_MS) return held.roots;
    const live = new Set<string>();
    for await (const pod of injectedPods()) if (!hasEnded(pod)) live.add(profileOf(pod) ?? '');
    const known = [...(profiles() ?? [])].filter(([hash]) => live.has(hash));
    const roots = [...new Set(known.flatMap(([, { sidecar }]) => rootsOf(sidecar)))];
    held = { roots, at };
    return roots;
  };
};

const hasEnded = (pod: Pod): boolean => {
  const { status } = pod as { readonly status?: { readonly phase?: string } };
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
};

const profileOf = (pod: Pod): string | undefined => {
  const [sidecar] = sidecarsOf(pod);
  return sidecar && valueOf(sidecar.container, SIDECAR_ENV.profile);
};

const rootsOf = (sidecar: Container): readonly string[] => {
  const access = valueOf(sidecar, SIDECAR_ENV.authority);
  if (access === undefined) return [];
  const { roots } = JSON.parse(access) as Partial<AuthorityAccess>;
  return roots === undefined ? [] : [roots];
};

const valueOf = ({ env = [] }: Container, name: string): string | undefined =>
  env.find((one) => one.name === name)?.value;
