import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Pod } from '../../lib/contract/pod.ts';
import { applyOperations, buildDeclaredPod, buildPlainPod } from './base-pods.ts';
import type { PodDefaults } from './base-pods.ts';
import {
  injectPod,
  evaluatePodUpdate,
  evaluatePodCreation,
  checkRunningPod,
  evaluateTaskPolicy,
} from '../../test/kit/attack-admission.ts';
import { expectStatedRefusal } from './refusal-expectations.ts';
import { THREAT_ROW_IDS, THREAT_ROWS } from './threat-rows.ts';
import {
  checkAttacks,
  filterAttacksByKind,
  parseAttackFile,
  readAttackTable,
} from './attack-table.ts';
import type { AttackByKind } from './attack-table.ts';

const podDefaults: PodDefaults = {
  namespace: 'attacks',
  image: 'registry.example/agent:1',
  imagePullPolicy: 'IfNotPresent',
};
const attacks = readAttackTable();
const toNamedCases = <A extends { readonly name: string }>(all: readonly A[]) =>
  all.map((each) => [each.name, each] as const);

const buildBasePod = async ({ of, declare }: AttackByKind<'create'>['create']): Promise<Pod> => {
  if (of === 'plain') return buildPlainPod('attack', podDefaults);
  const pod = buildDeclaredPod('attack', podDefaults, declare);
  return of === 'declared' ? pod : injectPod(pod);
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

  test.each(THREAT_ROW_IDS)('%s: a line of the threat model', (row) => {
    expect(lines.filter(({ attack }) => attack.includes(THREAT_ROWS[row].attack))).toHaveLength(1);
  });

  test('are there for each line that the table is said to show', () => {
    const shown = lines.filter(({ shownBy }) => shownBy.startsWith('table'));
    const isKnown = (attack: string) =>
      THREAT_ROW_IDS.some((row) => attack.includes(THREAT_ROWS[row].attack));
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
    parseAttackFile('x.yaml', JSON.stringify(lines)).faults.map(({ path }) => path);

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
    const { attacks: two } = parseAttackFile('x.yaml', JSON.stringify([line, line]));
    const paths = checkAttacks(two).map(({ path }) => path);
    expect(paths).toContain('"x"');
    expect(paths).toContain('row ephemeral');
    expect(paths).not.toContain('row entered');
  });

  test('with a key given twice is refused', () => {
    expect(parseAttackFile('x.yaml', '- {name: a, name: b}').faults).toHaveLength(1);
  });
});

describe('pods of the table', () => {
  test.each(['plain', 'declared', 'injected'] as const)('%s, unchanged: welcome', async (of) => {
    expect((await evaluatePodCreation(await buildBasePod({ of, patch: [] }))).breaches).toEqual([]);
  });

  test.each(toNamedCases(filterAttacksByKind(attacks, 'create')))('%s', async (_name, attack) => {
    const pod = applyOperations(await buildBasePod(attack.create), attack.create.patch) as Pod;
    expectStatedRefusal(attack, await evaluatePodCreation(pod));
  });
});

describe('changes of the table', () => {
  // Status is the policies' alone to judge.
  const judged = filterAttacksByKind(attacks, 'change').filter(
    ({ change }) => change.through !== 'status',
  );

  test.each(toNamedCases(judged))('%s', async (_name, { as, change, rule }) => {
    const oldPod = await injectPod(buildDeclaredPod('victim', podDefaults));
    const groups = as === 'break-glass' ? ['e2e-break-glass'] : [];
    const pod = applyOperations(oldPod, change.patch);
    const { breaches } = await evaluatePodUpdate({ pod, oldPod }, groups);
    expect(breaches.map((breach) => breach.rule)).toContain(rule);
  });
});

describe('policies of the table', () => {
  const policies = filterAttacksByKind(attacks, 'request').filter(
    ({ rule }) => rule === 'policies.valetkey.dev',
  );

  test.each(toNamedCases(policies))('%s', (_name, attack) => {
    expectStatedRefusal(attack, evaluateTaskPolicy(attack.request.body));
  });
});

describe('unseen pods of the table', () => {
  test.each(toNamedCases(filterAttacksByKind(attacks, 'unseen')))(
    '%s',
    async (_name, { unseen, rule, path }) => {
      const pod = applyOperations(
        await injectPod(buildDeclaredPod('unseen', podDefaults)),
        unseen.patch,
      );
      // Of a pod that keeps every rule, policy decides.
      expect(checkRunningPod(pod)).toEqual(rule === 'pod_noncompliant' ? [path] : []);
    },
  );
});
