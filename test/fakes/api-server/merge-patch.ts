import { toJsonObject, type JsonObject } from './resource-store.ts';

/**
 * A JSON merge patch (RFC 7386).
 *
 * @param isStrategic lists of named elements are merged by their names, as Kubernetes does for the
 *   webhooks of a configuration
 */
export const applyMergePatch = (target: unknown, patch: unknown, isStrategic = false): unknown => {
  if (isStrategic && isNamedList(target) && isNamedList(patch))
    return mergeNamedLists(target, patch);
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch;
  const kept = new Map(Object.entries(toJsonObject(target)));
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) kept.delete(name);
    else kept.set(name, applyMergePatch(kept.get(name), value, isStrategic));
  }
  return Object.fromEntries(kept);
};

type Named = JsonObject & { readonly name: string };

const isNamedList = (value: unknown): value is readonly Named[] =>
  Array.isArray(value) && value.every((each) => typeof toJsonObject(each)['name'] === 'string');

const mergeNamedLists = (target: readonly Named[], patch: readonly Named[]): readonly unknown[] => {
  const changes = new Map(patch.map((each) => [each.name, each]));
  const kept = target.map((each) =>
    changes.has(each.name) ? applyMergePatch(each, changes.get(each.name), true) : each,
  );
  const known = new Set(target.map(({ name }) => name));
  return [...kept, ...patch.filter(({ name }) => !known.has(name))];
};
