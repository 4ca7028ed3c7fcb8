import { createLruCache, type LruCache } from '../async/lru-cache.ts';
import type { Platform } from '../contract/platform.ts';
import type { EvaluatePod } from '../identity/workload-identification.ts';
import type { AcceptedTemplates } from '../injection/injection-template.ts';
import { evaluateLivePod } from '../injection/live-pod.ts';

type EvaluatedPod = Extract<Awaited<ReturnType<EvaluatePod>>, { readonly ok: true }>;

/** Of one state of a pod: about 4 KiB each. */
const MAX_REMEMBERED_PODS = 2_000;

/** The API server gives each state of an object its own resourceVersion, and each object its own UID. */
const readStateKey = (pod: unknown): string | undefined => {
  const { uid, resourceVersion } =
    (pod as { metadata?: { uid?: unknown; resourceVersion?: unknown } } | undefined)?.metadata ??
    {};
  return typeof uid === 'string' && typeof resourceVersion === 'string'
    ? JSON.stringify([uid, resourceVersion])
    : undefined;
};

/**
 * Creates the function that evaluates the rules on a running pod with the code of admission. The
 * namespace's labels, which may exempt a pod, are read only for a pod that violates a rule without them.
 *
 * A pod that passes is not evaluated again while everything that the rules read is the same: its state,
 * its service account and the injection templates. The pod itself is read for each run, so a change is
 * seen as soon as without the cache.
 */
export const createPodEvaluator = (
  platform: Platform,
  getTemplates: () => AcceptedTemplates,
): EvaluatePod => {
  let cache:
    { readonly templates: AcceptedTemplates; readonly passed: LruCache<EvaluatedPod> } | undefined;
  const getCache = (templates: AcceptedTemplates): LruCache<EvaluatedPod> => {
    if (cache?.templates !== templates) {
      cache = { templates, passed: createLruCache(MAX_REMEMBERED_PODS) };
    }
    return cache.passed;
  };
  return async (pod, { readLabels, ...account }) => {
    const templates = getTemplates();
    const passed = getCache(templates);
    const stateKey = readStateKey(pod);
    const key = stateKey && JSON.stringify([stateKey, account.serviceAccount ?? null]);
    const remembered = key && passed.get(key);
    if (remembered) return remembered;
    const options = { platform, templates, ...account };
    const strict = evaluateLivePod(pod, options);
    if (!strict.ok) {
      return evaluateLivePod(pod, { ...options, namespaceLabels: (await readLabels()) ?? {} });
    }
    const { admitted, templateHash, exempted, isKeyFixed } = strict.value;
    const result = { ok: true, value: { admitted, templateHash, exempted, isKeyFixed } } as const;
    if (key) passed.set(key, result);
    return result;
  };
};
