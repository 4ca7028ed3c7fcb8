import type { ReadNamespaceLabels } from '../../identity/identification.ts';
import type { DirectCalls } from './direct-calls.ts';
import { unless } from './kubernetes-error.ts';

type Labels = Readonly<Record<string, string>> | undefined;
type Held = { readonly labels: Promise<Labels>; readonly askedAt: number };

/** So long after a label was taken away, policy may still see it. */
const MAX_AGE_MS = 2_000;
const MAX_HELD = 10_000;

/**
 * Reads the labels of a namespace, and remembers them for two seconds: many pods of one namespace
 * ask at once.
 *
 * @param monotonic milliseconds that never jump
 * @returns throws KubernetesError; a failure is not remembered
 */
export const openNamespaceLabels = (
  calls: DirectCalls,
  monotonic: () => number,
): ReadNamespaceLabels => {
  const held = new Map<string, Held>();
  const ask = (namespace: string): Held => {
    const asked = { labels: readLabels(calls, namespace), askedAt: monotonic() };
    asked.labels.catch(() => {
      if (held.get(namespace) === asked) held.delete(namespace);
    });
    if (held.size >= MAX_HELD) held.clear();
    held.set(namespace, asked);
    return asked;
  };
  return (namespace) => {
    const known = held.get(namespace);
    const isFresh = known !== undefined && monotonic() - known.askedAt <= MAX_AGE_MS;
    return (isFresh ? known : ask(namespace)).labels;
  };
};

const readLabels = async (calls: DirectCalls, namespace: string): Promise<Labels> => {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const answer = calls(`get namespace ${namespace}`, { method: 'GET', path });
  const found = await unless(['notFound'], answer, undefined);
  if (found === undefined) return undefined;
  const { metadata } = found as { metadata?: { labels?: Readonly<Record<string, string>> } };
  return metadata?.labels ?? {};
};
