import { membersOf, type Members } from './store.ts';

/**
 * A JSON merge patch (RFC 7386).
 *
 * @param isStrategic lists of named elements are merged by their names, as Kubernetes does for the
 *   webhooks of a configuration
 */
export const merged = (target: unknown, patch: unknown, isStrategic = false): unknown => {
  if (isStrategic && isNamedList(target) && isNamedList(patch)) return mergedLists(target, patch);
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const kept = new Map(Object.entries(membersOf(target)));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) kept.delete(name);
    else kept.set(name, merged(kept.get(name), value, isStrategic));
  }
  return Object.fromEntries(kept);
};

type Named = Members & { readonly name: string };

const isNamedList = (value: unknown): value is readonly Named[] =>
  Array.isArray(value) && value.every((each) => typeof membersOf(each)['name'] === 'string');

const mergedLists = (target: readonly Named[], patch: readonly Named[]): readonly unknown[] => {
  const changes = new Map(patch.map((each) => [each.name, each]));
  const kept = target.map((each) =>
    changes.has(each.name) ? merged(each, changes.get(each.name), true) : each,
  );
  const known = new Set(target.map(({ name }) => name));
  return [...kept, ...patch.filter(({ name }) => !known.has(name))];
};
