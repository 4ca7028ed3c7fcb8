import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { isMapping, toMapping, type Mapping } from '../../lib/schema/mapping.ts';

/**
 * Writes the excerpt of GitHub's description of its API that tests check the source of GitHub App tokens
 * with: its operations, and what they refer to. Run it when GitHub's description changes:
 * `node tools/build/github-api.ts <folder of @octokit/openapi>`.
 */

const EXCERPT = 'test/github-api/openapi.json';

/** What `lib/edge/github` calls. */
const OPERATIONS = [
  { path: '/app/installations/{installation_id}/access_tokens', method: 'post' },
  { path: '/installation/token', method: 'delete' },
] as const;

const lookUp = (document: Mapping, reference: string): unknown =>
  reference
    .split('/')
    .slice(1)
    .reduce<unknown>((value, name) => toMapping(value)[name], document);

/** Adds to `found` what `value` refers to, and what that refers to. */
const collectReferences = (document: Mapping, value: unknown, found: Set<string>): void => {
  if (Array.isArray(value)) for (const item of value) collectReferences(document, item, found);
  if (!isMapping(value)) return;
  const { $ref: reference } = value;
  if (typeof reference === 'string' && !found.has(reference)) {
    found.add(reference);
    collectReferences(document, lookUp(document, reference), found);
  }
  for (const member of Object.values(value)) collectReferences(document, member, found);
};

const buildExcerpt = (document: Mapping): Mapping => {
  const paths = OPERATIONS.map(({ path, method }) => {
    const operation = toMapping(toMapping(document['paths'])[path])[method];
    if (operation === undefined) throw new Error(`${method} ${path}: expected in the description`);
    return [path, { [method]: operation }] as const;
  });
  const references = new Set<string>();
  collectReferences(document, Object.fromEntries(paths), references);
  const components: Record<string, Record<string, unknown>> = {};
  for (const reference of [...references].sort()) {
    const [, , kind = '', name = ''] = reference.split('/');
    (components[kind] ??= {})[name] = lookUp(document, reference);
  }
  const { openapi, info } = document;
  return { openapi, info, paths: Object.fromEntries(paths), components };
};

const main = async (folder: string | undefined): Promise<void> => {
  if (folder === undefined) throw new Error('expected the folder of @octokit/openapi');
  const file = join(folder, 'generated', 'api.github.com.json');
  const document = toMapping(JSON.parse(await readFile(file, 'utf8')));
  await writeFile(EXCERPT, `${JSON.stringify(buildExcerpt(document), undefined, 2)}\n`);
  process.stdout.write(`${EXCERPT}: ${OPERATIONS.length} operations\n`);
};

await main(process.argv[2]);
