import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createLruCache } from '../../async/lru-cache.ts';
import type { SigningService } from '../../calls/call-authorization.ts';
import { createRecognizer } from '../../operations/recognize.ts';
import type { OperationTable } from '../../operations/table.ts';

/** Beside the bundle; from source, where the tables are generated. */
const findTablesFolder = (): string => {
  const bundled = join(import.meta.dirname, 'data', 'operations');
  return existsSync(bundled)
    ? bundled
    : join(import.meta.dirname, '..', '..', 'operations', 'data');
};

/** A pod uses few services. */
const MAX_TABLES = 32;

/**
 * Creates a function that loads the tables of a signing name at its first use.
 *
 * @param folder of one `<signing name>.json` for each
 * @throws Error if the folder cannot be read
 */
export const createTableLoader = (
  folder = findTablesFolder(),
): ((signingName: string) => SigningService | undefined) => {
  // A name that a client sends is never part of a path unless it is one of these.
  const files = new Set(readdirSync(folder).filter((name) => name.endsWith('.json')));
  const loaded = createLruCache<SigningService>(MAX_TABLES);
  return (signingName) => {
    const file = `${signingName}.json`;
    if (!files.has(file)) return undefined;
    const existing = loaded.get(signingName);
    if (existing !== undefined) return existing;
    const table = JSON.parse(readFileSync(join(folder, file), 'utf8')) as OperationTable;
    const service = { table, recognize: createRecognizer(table) };
    loaded.set(signingName, service);
    return service;
  };
};
