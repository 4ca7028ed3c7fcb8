import type { AuthorityAccess } from '../../lib/contract/authority-api.ts';
import type { Clock } from '../../lib/contract/clock.ts';
import { SIDECAR_ENV } from '../../lib/contract/environment.ts';
import type { Container, Pod } from '../../lib/contract/pod.ts';
import { listSidecars } from '../../lib/injection/consumers.ts';
import type { AcceptedTemplates } from '../../lib/injection/injection-template.ts';

export type TrustBundleUsersDeps = {
  readonly listInjectedPods: () => AsyncIterable<Pod>;
  /** Undefined until the injection templates were read. */
  readonly templates: () => AcceptedTemplates | undefined;
  readonly clock: Pick<Clock, 'monotonic'>;
};

/** Pods are not listed in every round, because there may be many. */
export const LIST_INTERVAL_MS = 30_000;
/** Share of the time that listing may take: of tens of thousands of pods it takes longer than a round. */
export const MAX_LIST_SHARE = 0.02;

/**
 * Creates the reader of the trust bundles that running pods use, without duplicates. They are read
 * from the injection templates of the pods, which are immutable; other claims of a pod are ignored, so
 * that no pod can block the rotation.
 *
 * @returns throws KubernetesError
 */
export const createTrustedBundlesReader = ({
  listInjectedPods,
  templates,
  clock,
}: TrustBundleUsersDeps): (() => Promise<readonly string[]>) => {
  let cached: { readonly roots: readonly string[]; readonly until: number } | undefined;
  return async () => {
    const at = clock.monotonic();
    if (cached !== undefined && at < cached.until) return cached.roots;
    const live = new Set<string>();
    for await (const pod of listInjectedPods())
      if (!hasEnded(pod)) live.add(findTemplateHash(pod) ?? '');
    const used = [...(templates() ?? [])].filter(([hash]) => live.has(hash));
    const roots = [...new Set(used.flatMap(([, { sidecar }]) => readTrustBundles(sidecar)))];
    const tookMs = clock.monotonic() - at;
    cached = { roots, until: at + Math.max(LIST_INTERVAL_MS, tookMs / MAX_LIST_SHARE) };
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
