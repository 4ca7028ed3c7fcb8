import type { ReadNamespaceLabels } from '../../identity/identification.ts';
import type { DirectCalls } from './direct-calls.ts';
import { holdAnswers } from './held-answers.ts';
import { unless } from './kubernetes-error.ts';

type Labels = Readonly<Record<string, string>> | undefined;

/**
 * Reads the labels of a namespace, and remembers them for two seconds.
 *
 * @param monotonic milliseconds that never jump
 * @returns throws KubernetesError; a failure is not remembered
 */
export const openNamespaceLabels = (
  calls: DirectCalls,
  monotonic: () => number,
): ReadNamespaceLabels => holdAnswers((namespace) => readLabels(calls, namespace), monotonic);

const readLabels = async (calls: DirectCalls, namespace: string): Promise<Labels> => {
  const path = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const answer = calls(`get namespace ${namespace}`, { method: 'GET', path });
  const found = await unless(['notFound'], answer, undefined);
  if (found === undefined) return undefined;
  const { metadata } = found as { metadata?: { labels?: Readonly<Record<string, string>> } };
  return metadata?.labels ?? {};
};
