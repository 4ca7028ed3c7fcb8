import { InvalidArgumentError } from 'commander';

import type { LoadCatalog } from '../../../lib/catalog/catalog.ts';
import { formatValue } from '../../../lib/schema/field-error.ts';
import { createUsageError } from '../tool-error.ts';
import type { Call } from './tried-calls.ts';

/**
 * Parses `--call 'ACTION RESOURCE'`, a repeatable option.
 *
 * @throws InvalidArgumentError for another form
 */
export const parseCall = (given: string, previous: readonly Call[] = []): readonly Call[] => {
  const [, action, resource] = /^\s*([\w-]+:[\w-]+)\s+(\S+)\s*$/.exec(given) ?? [];
  if (action === undefined || resource === undefined) {
    throw new InvalidArgumentError("expected 'ACTION RESOURCE', such as 's3:GetObject arn:…'.");
  }
  if (resource !== '*' && /[*{}]/.test(resource)) {
    throw new InvalidArgumentError('expected one resource without wildcards and params.');
  }
  return [...previous, { action, resource }];
};

/** Providers whose actions are not in the catalog of the cloud. */
const PROTOCOLS = /^(http|git|mcp|postgres):/;

/**
 * Writes the actions as the catalog does: it knows them in any case.
 *
 * @throws ToolError for an unknown action, with the nearest one
 */
export const canonicalizeCalls = async (
  calls: readonly Call[],
  loadCatalog: LoadCatalog,
): Promise<readonly Call[]> => {
  const services = calls.flatMap(({ action }) =>
    PROTOCOLS.test(action) ? [] : action.split(':', 1),
  );
  const catalog = await loadCatalog(services);
  return calls.map((call) => {
    if (PROTOCOLS.test(call.action)) return call;
    const found = catalog.find(call.action);
    const [only] = found.known ? found.actions : [];
    if (only !== undefined) return { ...call, action: only.name };
    const nearest = found.known ? undefined : found.nearest;
    const hint = nearest === undefined ? '' : `, such as ${nearest}`;
    const expected = `a known action${hint}`;
    throw createUsageError([{ path: '--call', expected, got: formatValue(call.action) }]);
  });
};
