import type { Catalog } from '../catalog/catalog.ts';
import { S3_REACHED_ACTIONS } from '../catalog/s3-actions.ts';
import type { Pair } from './pairs.ts';

/**
 * Lists the pairs that a session of dialect `s3` reaches although its session policy does not contain them: see
 * {@link S3_REACHED_ACTIONS}. Policy evaluates them like the pairs of the task.
 *
 * @param pairs of the task
 * @param catalog with the actions of S3
 * @returns only pairs that are not in `pairs`, each once
 */
export const listReachedPairs = (pairs: readonly Pair[], catalog: Catalog): readonly Pair[] => {
  const own = new Set(pairs.map(formatPair));
  const reached = pairs.flatMap((pair) => listReached(pair, catalog));
  const others = new Map(reached.map((pair) => [formatPair(pair), pair]));
  return [...others].flatMap(([key, pair]) => (own.has(key) ? [] : [pair]));
};

const formatPair = ({ action, resource }: Pair): string => `${action.name} ${resource}`;

const listReached = ({ action, resource }: Pair, catalog: Catalog): readonly Pair[] => {
  const reach = S3_REACHED_ACTIONS.get(action.name);
  if (reach === undefined) return [];
  const below = reach.isRecursive && !resource.endsWith('*') ? [`${resource}/*`] : [];
  return reach.actions.flatMap((name) => {
    const found = catalog.find(name);
    const actions = found.known ? found.actions : [];
    return [resource, ...below].flatMap((each) =>
      actions.map((one) => ({ action: one, resource: each, reachedBy: action.name })),
    );
  });
};
