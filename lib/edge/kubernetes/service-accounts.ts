import type { DirectCalls } from './direct-calls.ts';
import { holdAnswers } from './held-answers.ts';
import { unless } from './kubernetes-error.ts';

type Place = { readonly namespace: string; readonly name: string };

/** The annotations of a service account, or nothing where there is no such. */
export type ReadServiceAccount = (
  place: Place,
) => Promise<Readonly<Record<string, string>> | undefined>;

/**
 * Reads the annotations of a service account, and remembers them for two seconds.
 *
 * @param monotonic milliseconds that never jump
 * @returns throws KubernetesError; a failure is not remembered
 */
export const openServiceAccounts = (
  calls: DirectCalls,
  monotonic: () => number,
): ReadServiceAccount => {
  const ask = holdAnswers((path) => readAnnotations(calls, path), monotonic);
  return (place) => ask(pathOf(place));
};

const pathOf = ({ namespace, name }: Place): string =>
  `/api/v1/namespaces/${encodeURIComponent(namespace)}/serviceaccounts/${encodeURIComponent(name)}`;

const readAnnotations = async (
  calls: DirectCalls,
  path: string,
): Promise<Readonly<Record<string, string>> | undefined> => {
  const answer = calls(`get ${path}`, { method: 'GET', path });
  const found = await unless(['notFound'], answer, undefined);
  if (found === undefined) return undefined;
  const { metadata } = found as { metadata?: { annotations?: Readonly<Record<string, string>> } };
  return metadata?.annotations ?? {};
};
