import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { createCatalogLoader } from '../../lib/catalog/catalog.ts';
import type { Task } from '../../lib/contract/task.ts';
import { evaluateAdmissionPolicy } from '../../lib/policy/admission-decision.ts';
import type { RunPolicyRequest } from '../../lib/policy/decision.ts';
import { checkPolicy } from '../../lib/policy/policy-findings.ts';
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
  readonly who: string;
  readonly action: string;
  readonly resource: string;
  readonly besides: string;
  readonly run: string;
  readonly admission: string;
};

const parseRow = (line: string): Row => {
  const cells = line.split('|').map((cell) => cell.trim());
  const [, who = '', action = '', resource = '', besides = '', run = '', admission = ''] = cells;
  const code = (cell: string): string => cell.replaceAll('`', '');
  return {
    who: code(who),
    action: code(action),
    resource: code(resource),
    besides,
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

type Change = (question: RunPolicyRequest, text: string) => RunPolicyRequest;

const splitPair = (text: string, separator: string): readonly [string, string] => {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
};

/** What the column `with` can contain. */
const CHANGES: Readonly<Record<string, Change>> = {
  label: (question, text) => {
    const namespaceLabels = Object.fromEntries([splitPair(text, '=')]);
    return { ...question, principal: { ...question.principal, namespaceLabels } };
  },
  lifetime: (question, text) => {
    const lifetimeSeconds = Number(text.replace('h', '')) * 3600;
    return { ...question, task: { ...question.task, lifetimeSeconds } };
  },
  task: (question, name) => ({ ...question, task: { ...question.task, name } }),
  role: (question, role) => ({ ...question, task: { ...question.task, role } }),
  sourceRestriction: (question, text) => ({
    ...question,
    sourceRestriction: text as RunPolicyRequest['sourceRestriction'],
  }),
  at: (question, text) => ({ ...question, atMs: parseTime(...splitPair(text, ' ')) }),
  param: (question, text) => ({ ...question, params: Object.fromEntries([splitPair(text, '=')]) }),
  user: (question, text) => {
    const [subject, issuer] = splitPair(text, '@');
    return { ...question, user: { subject, issuer } };
  },
  approval: (question, name) => ({ ...question, approvals: [name] }),
  purpose: (question, purpose) => ({ ...question, purpose }),
};

const buildPolicyRequest = (row: Row): RunPolicyRequest => {
  const [namespace, serviceAccount] = splitPair(row.who, '/');
  const principal = { namespace, serviceAccount, namespaceLabels: {} };
  const at = parseTime('Monday', '13:30');
  const plain = {
    principal,
    task: buildTask(row),
    params: {},
    sourceRestriction: 'none',
    approvals: [],
    atMs: at,
  } as const;
  const words = Array.from(row.besides.matchAll(/`([^`]+)`/g), ([, word = '']) =>
    splitPair(word, ' '),
  );
  return words.reduce<RunPolicyRequest>((question, [name, text]) => {
    const change = CHANGES[name];
    if (change === undefined) throw new Error(`${name}: unknown word in column "with"`);
    return change(question, text);
  }, plain);
};

describe('docs/policy.md', () => {
  test('has ten examples, each with an answer of yes and one of no', () => {
    expect(examples.map(({ title }) => title.split('.')[0])).toEqual(
      Array.from({ length: 10 }, (_, index) => `${index + 1}`),
    );
    for (const { rows } of examples) {
      expect(new Set(rows.map(({ run }) => run))).toEqual(new Set(['allow', 'deny']));
    }
  });

  test('shows the schema and the starter policy as they are', () => {
    expect(listFencedBlocks('cedarschema')).toEqual([CEDAR_SCHEMA]);
    expect(examples[0]?.cedar).toBe(STARTER_POLICY);
  });

  test('shows what the validator says of what it refuses, and every other policy is valid', () => {
    const blocks = [...page.matchAll(/^```cedar\n(.*?)^```$(?:\s*^```text\n(.*?)^```$)?/gms)];
    const refused = blocks.filter(([, , faults]) => faults !== undefined);
    expect(refused.length).toBeGreaterThan(1);
    for (const [, cedar = '', faults = ''] of blocks) {
      const { faults: found, warnings } = checkPolicy({ name: 'secrets', cedar });
      expect(found.map(formatFieldError)).toEqual(faults.split('\n').filter((line) => line !== ''));
      expect(warnings).toEqual([]);
    }
  });

  test('applies a valid TaskPolicy', () => {
    const cedar = /cedar: \|\n(.*?)^EOF$/ms.exec(page)?.[1] ?? '';
    expect(checkPolicy({ name: 'research', cedar }).faults).toEqual([]);
  });
});

describe.each(examples)('example $title', ({ cedar, rows }) => {
  const beside = cedar.includes('permit (') ? '' : 'permit (principal, action, resource);';
  const policies = compilePolicies([{ name: 'example', cedar: `${cedar}\n${beside}` }]);
  const parts = { policies, loadCatalog };

  test.each(rows)('$who $action $resource $besides: $run, $admission', async (row) => {
    const question = buildPolicyRequest(row);
    expect((await evaluateRunPolicy(parts, question)).outcome).toBe(row.run);
    expect((await evaluateAdmissionPolicy(parts, question)).outcome).toBe(row.admission);
  });
});
