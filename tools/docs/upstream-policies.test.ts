import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import type { Task } from '../../lib/contract/task.ts';
import { compilePolicies } from '../../lib/policy/compiled-policies.ts';
import { checkWrittenPolicy } from '../../lib/policy/policy-findings.ts';
import { evaluateRunPolicy } from '../../lib/policy/run-decision.ts';
import { findTaskUpstream } from '../../lib/policy/upstream-pairs.ts';
import { parseStoredUpstreams } from '../../lib/upstreams/stored-upstreams.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/upstream-policies.md'), 'utf8');
const loadCatalog = createCatalogLoader();

const readBlock = (language: string, text: string): string =>
  new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(text)?.[1] ?? '';

const access = {
  present: { header: { name: 'authorization', template: 'Bearer {secret}' } },
  secret: { kubernetes: { name: 'key', key: 'token' } },
};
const specs = parse(readBlock('text', page)) as Readonly<Record<string, object>>;
const upstreams = parseStoredUpstreams(
  Object.entries(specs).map(([name, spec]) => ({
    metadata: { name },
    spec: 'postgres' in spec ? spec : { ...spec, ...access },
  })),
);

const parseRow = (line: string): readonly string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim().replaceAll('`', ''));

const examples = page
  .split(/^### /m)
  .slice(1)
  .map((text) => ({
    title: text.slice(0, text.indexOf('\n')),
    cedar: readBlock('cedar', text),
    rows: Array.from(text.matchAll(/^\| `.*$/gm), ([line]) => parseRow(line)),
  }));

const decide = (
  cedar: string,
  [principal = '', role = '', action = '', resource = '']: readonly string[],
) => {
  const task: Task = {
    name: 'call',
    provider: action.startsWith('postgres:') ? 'postgres' : 'http',
    ...{ role, allow: [{ actions: [action], resources: [resource] }] },
    ...{ params: {}, lifetimeSeconds: 600, delivery: 'sign' },
    ...{ containers: ['agent'], default: false, exclusive: false },
  };
  const found = findTaskUpstream(task, upstreams);
  if (!found.ok) throw new Error(JSON.stringify(found.faults));
  const [namespace = '', serviceAccount = ''] = principal.split('/');
  const everything = cedar.includes('permit') ? [] : ['permit (principal, action, resource);'];
  const policies = compilePolicies(
    [cedar, ...everything].map((text, index) => ({ name: `policy-${index}`, cedar: text })),
  );
  return evaluateRunPolicy(
    { policies, loadCatalog },
    {
      principal: { namespace, namespaceLabels: {}, serviceAccount },
      ...{ task, upstream: found.value, params: {}, approvals: [] },
      ...{ sourceRestriction: 'none', dialect: 'aws', vend: 'exception' },
      atMs: Date.UTC(2026, 0, 5, 13, 30),
    },
  );
};

describe('docs/upstream-policies.md', () => {
  it('has ten examples for HTTP and Git and ten for MCP and PostgreSQL, each with both outcomes', () => {
    expect(examples.map(({ title }) => title.split('.')[0])).toEqual(
      Array.from({ length: 20 }, (_, index) => `${index + 1}`),
    );
    const listActions = (from: number, to: number) =>
      examples.slice(from, to).flatMap(({ rows }) => rows.map((row) => row[2]?.split(':')[0]));
    expect(new Set(listActions(0, 10))).toEqual(new Set(['http', 'git']));
    expect(new Set(listActions(10, 20))).toEqual(new Set(['mcp', 'postgres', 'http']));
    for (const { title, rows } of examples) {
      expect([title, ...new Set(rows.map((row) => row[4])).values()].sort()).toEqual(
        [title, 'allow', 'deny'].sort(),
      );
    }
  });

  describe.each(examples)('$title', ({ title, cedar, rows }) => {
    it('is accepted by the webhook without a finding', () => {
      const now = { vend: 'exception', atMs: Date.UTC(2026, 0, 5) } as const;
      const { faults, warnings } = checkWrittenPolicy({ name: title, cedar }, now);
      expect({ faults, warnings }).toEqual({ faults: [], warnings: [] });
    });

    it.each(rows.map((row) => [...row] as const))('for %s as %s, %s on %s: %s', async (...row) => {
      expect(await decide(cedar, row)).toMatchObject({ outcome: row[4] });
    });
  });
});
