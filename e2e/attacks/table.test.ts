import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Pod } from '../../lib/contract/pod.ts';
import { changed, declaredPod, plainPod } from './base-pods.ts';
import type { Site } from './base-pods.ts';
import { inject, judgeChange, judgeCreation, judgeLife, judgeTaskPolicy } from './rehearsal.ts';
import { expectAnswer } from './answers.ts';
import { ROW_IDS, ROWS } from './rows.ts';
import { judgeWhole, ofKind, parseTable, readTable } from './table.ts';
import type { AttackOf } from './table.ts';

const site: Site = {
  namespace: 'attacks',
  image: 'registry.example/agent:1',
  imagePullPolicy: 'IfNotPresent',
};
const attacks = readTable();
const named = <A extends { readonly name: string }>(all: readonly A[]) =>
  all.map((each) => [each.name, each] as const);

const basePod = async ({ of, declare }: AttackOf<'create'>['create']): Promise<Pod> => {
  if (of === 'plain') return plainPod('attack', site);
  const pod = declaredPod('attack', site, declare);
  return of === 'declared' ? pod : inject(pod);
};

test('the table has sixty attacks at least', () => {
  expect(attacks.length).toBeGreaterThanOrEqual(60);
});

describe('rows', () => {
  const page = join(import.meta.dirname, '../../docs/threat-model.md');
  const lines = readFileSync(page, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map((cells) => ({ attack: cells[1] ?? '', shownBy: cells.at(-2) ?? '' }));

  test.each(ROW_IDS)('%s: a line of the threat model', (row) => {
    expect(lines.filter(({ attack }) => attack.includes(ROWS[row].attack))).toHaveLength(1);
  });

  test('are there for each line that the table is said to show', () => {
    const shown = lines.filter(({ shownBy }) => shownBy.startsWith('table'));
    const isKnown = (attack: string) => ROW_IDS.some((row) => attack.includes(ROWS[row].attack));
    expect(shown.length).toBeGreaterThan(0);
    expect(shown.filter(({ attack }) => !isKnown(attack))).toEqual([]);
  });
});

describe('a table', () => {
  const line = {
    ...{ name: 'x', row: 'entered', as: 'editor', rule: '11', path: 'container' },
    request: { method: 'GET', path: 'pods/victim/exec' },
  };
  const faultsIn = (...lines: object[]) =>
    parseTable('x.yaml', JSON.stringify(lines)).faults.map(({ path }) => path);

  test('is read', () => {
    expect(faultsIn(line)).toEqual([]);
  });

  test('with unknown keys is refused, all of them at once', () => {
    const surprising = { ...line, rul: '11', request: { ...line.request, verb: 'GET' } };
    expect(faultsIn(surprising, { ...line, row: 'none' })).toEqual([
      '[0].rul',
      '[0].request.verb',
      '[1].row',
    ]);
  });

  test('with no kind, or two, or a rule of none is refused', () => {
    const change = { patch: [{ op: 'remove', path: '/spec' }] };
    expect(faultsIn({ ...line, request: undefined })).toEqual(['"x" (kind)']);
    expect(faultsIn({ ...line, change })).toEqual(['"x" (kind)']);
    expect(faultsIn({ ...line, rule: 'Forbidden' })).toEqual(['"x" rule']);
    expect(faultsIn({ ...line, as: 'node' })).toEqual(['"x" as']);
    expect(faultsIn({ ...line, path: undefined })).toEqual(['"x" path']);
  });

  test('with a name given twice, or too few attacks on a row, is refused', () => {
    const { attacks: two } = parseTable('x.yaml', JSON.stringify([line, line]));
    const paths = judgeWhole(two).map(({ path }) => path);
    expect(paths).toContain('"x"');
    expect(paths).toContain('row ephemeral');
    expect(paths).not.toContain('row entered');
  });

  test('with a key given twice is refused', () => {
    expect(parseTable('x.yaml', '- {name: a, name: b}').faults).toHaveLength(1);
  });
});

describe('pods of the table', () => {
  test.each(['plain', 'declared', 'injected'] as const)('%s, unchanged: welcome', async (of) => {
    expect((await judgeCreation(await basePod({ of, patch: [] }))).breaches).toEqual([]);
  });

  test.each(named(ofKind(attacks, 'create')))('%s', async (_name, attack) => {
    const pod = changed(await basePod(attack.create), attack.create.patch) as Pod;
    expectAnswer(attack, await judgeCreation(pod));
  });
});

describe('changes of the table', () => {
  // Status is the policies' alone to judge.
  const judged = ofKind(attacks, 'change').filter(({ change }) => change.through !== 'status');

  test.each(named(judged))('%s', async (_name, { as, change, rule }) => {
    const oldPod = await inject(declaredPod('victim', site));
    const groups = as === 'break-glass' ? ['story-break-glass'] : [];
    const pod = changed(oldPod, change.patch);
    const { breaches } = await judgeChange({ pod, oldPod }, groups);
    expect(breaches.map((breach) => breach.rule)).toContain(rule);
  });
});

describe('policies of the table', () => {
  const policies = ofKind(attacks, 'request').filter(
    ({ rule }) => rule === 'policies.valetkey.dev',
  );

  test.each(named(policies))('%s', (_name, attack) => {
    expectAnswer(attack, judgeTaskPolicy(attack.request.body));
  });
});

describe('unseen pods of the table', () => {
  test.each(named(ofKind(attacks, 'unseen')))('%s', async (_name, { unseen, rule, path }) => {
    const pod = changed(await inject(declaredPod('unseen', site)), unseen.patch);
    // Of a pod that keeps every rule, policy decides.
    expect(judgeLife(pod)).toEqual(rule === 'rules_broken' ? [path] : []);
  });
});
