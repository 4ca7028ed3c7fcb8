import { patternsOverlap } from '../schema/wildcard-patterns.ts';

/** Patterns, `service:Action`, and what is known about the actions that they match. */
type ActionTableEntry<T> = { readonly actions: readonly string[]; readonly value: T };

type Row<T> = { readonly pattern: string; readonly value: T };

/**
 * Creates a look-up of the first entry that matches a concrete action, whatever its case. The service of a
 * pattern is a name or `*`, so that an action is compared with few patterns.
 */
export const createActionTable = <T>(
  entries: readonly ActionTableEntry<T>[],
): ((action: string) => T | undefined) => {
  const byService = new Map<string, Row<T>[]>();
  for (const { actions, value } of entries) {
    for (const pattern of actions.map((each) => each.toLowerCase())) {
      const service = readServiceName(pattern);
      byService.set(service, [...(byService.get(service) ?? []), { pattern, value }]);
    }
  }
  return (action) => {
    const name = action.toLowerCase();
    const findRow = (service: string): Row<T> | undefined =>
      byService.get(service)?.find(({ pattern }) => patternsOverlap(pattern, name));
    return (findRow(readServiceName(name)) ?? findRow('*'))?.value;
  };
};

const readServiceName = (action: string): string => action.slice(0, action.indexOf(':'));
