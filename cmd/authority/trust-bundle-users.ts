import type { AuthorityAccess } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import type { Container, Pod } from '../../lib/contract/pod.ts';
import { listSidecars } from '../../lib/injection/consumers.ts';
import type { AcceptedTemplates } from '../../lib/injection/injection-template.ts';

export type TrustBundleUsersDeps = {
  readonly listInjectedPods: () => AsyncIterable<Pod>;
  /** Nothing: not known yet. */
  readonly templates: () => AcceptedTemplates | undefined;
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
export const createTrustedBundlesReader = ({
  listInjectedPods,
  templates,
  clock,
}: TrustBundleUsersDeps): (() => Promise<readonly string[]>) => {
  let cached: { readonly roots: readonly string[]; readonly at: number } | undefined;
  return async () => {
    const at = clock.monotonic();
    if (cached !== undefined && at - cached.at < MAX_AGE_MS) return cached.roots;
    const live = new Set<string>();
    for await (const pod of listInjectedPods())
      if (!hasEnded(pod)) live.add(findTemplateHash(pod) ?? '');
    const used = [...(templates() ?? [])].filter(([hash]) => live.has(hash));
    const roots = [...new Set(used.flatMap(([, { sidecar }]) => readTrustBundles(sidecar)))];
    cached = { roots, at };
    return roots;
  };
};

const hasEnded = (pod: Pod): boolean => {
  const { status } = pod as { readonly status?: { readonly phase?: string } };
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
};

const findTemplateHash = (pod: Pod): string | undefined => {
  const [sidecar] = listSidecars(pod);
  return sidecar && getEnvValue(sidecar.container, SIDECAR_ENV.injectionTemplate);
};

const readTrustBundles = (sidecar: Container): readonly string[] => {
  const access = getEnvValue(sidecar, SIDECAR_ENV.authority);
  if (access === undefined) return [];
  const { roots } = JSON.parse(access) as Partial<AuthorityAccess>;
  return roots === undefined ? [] : [roots];
};

const getEnvValue = ({ env = [] }: Container, name: string): string | undefined =>
  env.find((one) => one.name === name)?.value;
