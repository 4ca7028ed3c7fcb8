import { isMapping, type Mapping } from '../schema/mapping.ts';

/** Far deeper than a pod. What is below stays as it is: recursion must not exhaust the stack. */
const MAX_DEPTH = 32;

/** Maps of strings in a pod. The API server keeps their keys and reads null as an empty string. */
const STRING_MAPS = new Set(['labels', 'annotations', 'nodeSelector']);

/**
 * Removes members that are null, at every level: the API server reads them as absent, and Helm
 * writes them for a key without a value. Elements of lists stay, so that indexes do not change.
 *
 * @returns the same value if it contains none
 */
export const removeNullMembers = (value: unknown, depth = 0): unknown => {
  if (depth > MAX_DEPTH) return value;
  if (Array.isArray(value)) {
    const items = value.map((item: unknown) => removeNullMembers(item, depth + 1));
    return items.some((item, index) => item !== value[index]) ? items : value;
  }
  return isMapping(value) ? removeFromMapping(value, depth) : value;
};

const removeFromMapping = (mapping: Mapping, depth: number): Mapping => {
  // Nearly every mapping of a pod stays as it is, so nothing is built before a member differs.
  let changes: Map<string, unknown> | undefined;
  for (const name of Object.keys(mapping)) {
    const member = mapping[name];
    if (typeof member !== 'object') continue;
    const after = member === null ? undefined : readMember(name, member, depth);
    if (after !== member) (changes ??= new Map()).set(name, after);
  }
  return changes === undefined ? mapping : applyChanges(mapping, changes);
};

const applyChanges = (mapping: Mapping, changes: ReadonlyMap<string, unknown>): Mapping =>
  Object.fromEntries(
    Object.entries(mapping)
      .filter(([, member]) => member !== null)
      .map(([name, member]) => [name, changes.get(name) ?? member]),
  );

const readMember = (name: string, member: object, depth: number): unknown =>
  STRING_MAPS.has(name) && isMapping(member)
    ? fillStrings(member)
    : removeNullMembers(member, depth + 1);

const fillStrings = (mapping: Mapping): Mapping =>
  Object.values(mapping).includes(null)
    ? Object.fromEntries(Object.entries(mapping).map(([name, text]) => [name, text ?? '']))
    : mapping;
