import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import type { Task } from '../../lib/contract/task.ts';
import { evaluateAdmissionPolicy } from '../../lib/policy/admission-decision.ts';
import type { RunPolicyRequest } from '../../lib/policy/decision.ts';
import { checkPolicy, checkWrittenPolicy } from '../../lib/policy/policy-findings.ts';
import { compilePolicies } from '../../lib/policy/compiled-policies.ts';
import { evaluateRunPolicy } from '../../lib/policy/run-decision.ts';
import { CEDAR_SCHEMA } from '../../lib/policy/cedar-schema.ts';
import { STARTER_POLICY } from '../../lib/policy/starter-policy.ts';
import { formatFieldError } from '../../lib/schema/field-error.ts';

const page = readFileSync(join(import.meta.dirname, '../../docs/policy.md'), 'utf8');
const loadCatalog = createCatalogLoader();

const listFencedBlocks = (language: string, text = page): readonly string[] =>
  Array.from(
    text.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms')),
    ([, inside = '']) => inside,
  );

/** One row of an example's table. */
type Row = {
  readonly principal: string;
  readonly action: string;
  readonly resource: string;
  readonly conditions: string;
  readonly run: string;
  readonly admission: string;
};

const parseRow = (line: string): Row => {
  const cells = line.split('|').map((cell) => cell.trim());
  const [, principal = '', action = '', resource = '', conditions = '', run = '', admission = ''] =
    cells;
  const code = (cell: string): string => cell.replaceAll('`', '');
  return {
    principal: code(principal),
    action: code(action),
    resource: code(resource),
    conditions,
    run,
    admission,
  };
};

const examples = page
  .split(/^### /m)
  .slice(1)
  .map((text) => ({
    title: text.slice(0, text.indexOf('\n')),
    cedar: listFencedBlocks('cedar', text).join('\n'),
    rows: Array.from(text.matchAll(/^\| `.*$/gm), ([line]) => parseRow(line)),
  }));

const ANYTHING = { pattern: '.*', maxLength: 64 };

const buildTask = ({ action, resource }: Row): Task => ({
  name: 'summarize',
  provider: 'aws',
  role: 'arn:aws:iam::111122223333:role/agent-reports',
  allow: [{ actions: [action], resources: [resource] }],
  params: Object.fromEntries(
    Array.from(resource.matchAll(/\{(\w+)\}/g), ([, name = '']) => [name, ANYTHING] as const),
  ),
  lifetimeSeconds: 600,
  delivery: 'vend',
  containers: ['agent'],
  default: false,
  exclusive: false,
});

/** Monday, 5 January 2026. */
const DAYS = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
const parseTime = (weekday: string, clock = ''): number => {
  const [hour, minute] = clock.split(':').map(Number);
  return Date.UTC(2026, 0, 5 + DAYS.indexOf(weekday), hour, minute);
};

type Change = (request: RunPolicyRequest, text: string) => RunPolicyRequest;

const splitPair = (text: string, separator: string): readonly [string, string] => {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
};

/** What the column `with` can contain. */
const CHANGES: Readonly<Record<string, Change>> = {
  label: (request, text) => {
    const namespaceLabels = Object.fromEntries([splitPair(text, '=')]);
    return { ...request, principal: { ...request.principal, namespaceLabels } };
  },
  lifetime: (request, text) => {
    const lifetimeSeconds = Number(text.replace('h', '')) * 3600;
    return { ...request, task: { ...request.task, lifetimeSeconds } };
  },
  task: (request, name) => ({ ...request, task: { ...request.task, name } }),
  role: (request, role) => ({ ...request, task: { ...request.task, role } }),
  sourceRestriction: (request, text) => ({
    ...request,
    sourceRestriction: text as RunPolicyRequest['sourceRestriction'],
  }),
  at: (request, text) => ({ ...request, atMs: parseTime(...splitPair(text, ' ')) }),
  on: (request, day) => ({ ...request, atMs: Date.parse(`${day}T13:30:00Z`) }),
  delivery: (request, text) => ({
    ...request,
    task: { ...request.task, delivery: text as Task['delivery'] },
  }),
  'policy.vend': (request, text) => ({ ...request, vend: text as RunPolicyRequest['vend'] }),
  param: (request, text) => ({ ...request, params: Object.fromEntries([splitPair(text, '=')]) }),
  user: (request, text) => {
    const [subject, issuer] = splitPair(text, '@');
    return { ...request, user: { subject, issuer } };
  },
  approval: (request, name) => ({ ...request, approvals: [name] }),
};

const buildPolicyRequest = (row: Row): RunPolicyRequest => {
  const [namespace, serviceAccount] = splitPair(row.principal, '/');
  const principal = { namespace, serviceAccount, namespaceLabels: {} };
  const at = parseTime('Monday', '13:30');
  const plain = {
    principal,
    task: buildTask(row),
    params: {},
    sourceRestriction: 'none',
    dialect: 'aws',
    vend: 'free',
    approvals: [],
    atMs: at,
  } as const;
  const words = Array.from(row.conditions.matchAll(/`([^`]+)`/g), ([, word = '']) =>
    splitPair(word, ' '),
  );
  return words.reduce<RunPolicyRequest>((request, [name, text]) => {
    const change = CHANGES[name];
    if (change === undefined) throw new Error(`${name}: unknown word in column "with"`);
    return change(request, text);
  }, plain);
};

describe('docs/policy.md', () => {
  it('has eleven examples, each with a run that is allowed and one that is denied', () => {
    expect(examples.map(({ title }) => title.split('.')[0])).toEqual(
      Array.from({ length: 11 }, (_, index) => `${index + 1}`),
    );
    for (const { rows } of examples) {
      expect(new Set(rows.map(({ run }) => run))).toEqual(new Set(['allow', 'deny']));
    }
  });

  it('shows the current schema and the current starter policy', () => {
    expect(listFencedBlocks('cedarschema')).toEqual([CEDAR_SCHEMA]);
    expect(examples[0]?.cedar).toBe(STARTER_POLICY);
  });

  it('shows the errors of the validator for each invalid policy, and all other policies are valid', () => {
    const blocks = [...page.matchAll(/^```cedar\n(.*?)^```$(?:\s*^```text\n(.*?)^```$)?/gms)];
    const rejected = blocks.filter(([, , faults]) => faults !== undefined);
    expect(rejected.length).toBeGreaterThan(1);
    for (const [, cedar = '', faults = ''] of blocks) {
      const { faults: found, warnings } = checkPolicy({ name: 'secrets', cedar });
      expect(found.map(formatFieldError)).toEqual(faults.split('\n').filter((line) => line !== ''));
      expect(warnings).toEqual([]);
    }
  });

  it('shows exceptions that the webhook admits in the month before their end', () => {
    const dated = listFencedBlocks('cedar').filter((cedar) => cedar.includes('@until'));
    expect(dated).toHaveLength(2);
    for (const cedar of dated) {
      const context = { atMs: Date.UTC(2027, 0, 1), vend: 'exception' } as const;
      const { faults, warnings } = checkWrittenPolicy({ name: 'team', cedar }, context);
      expect([faults, warnings]).toEqual([[], []]);
    }
  });

  it('shows a valid TaskPolicy in the kubectl apply command', () => {
    const cedar = /cedar: \|\n(.*?)^EOF$/ms.exec(page)?.[1] ?? '';
    expect(checkPolicy({ name: 'research', cedar }).faults).toEqual([]);
  });
});

describe.each(examples)('example $title', ({ cedar, rows }) => {
  const permitAll = cedar.includes('permit (') ? '' : 'permit (principal, action, resource);';
  const policies = compilePolicies([{ name: 'example', cedar: `${cedar}\n${permitAll}` }]);
  const deps = { policies, loadCatalog };

  it.each(rows)(
    'decides $principal $action $resource $conditions: run $run, admission $admission',
    async (row) => {
      const request = buildPolicyRequest(row);
      expect((await evaluateRunPolicy(deps, request)).outcome).toBe(row.run);
      expect((await evaluateAdmissionPolicy(deps, request)).outcome).toBe(row.admission);
    },
  );
});
