import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
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

it('the attack table has at least sixty attacks', () => {
  expect(attacks.length).toBeGreaterThanOrEqual(60);
});

describe('THREAT_ROWS', () => {
  const page = join(import.meta.dirname, '../../docs/threat-model.md');
  const lines = readFileSync(page, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').map((cell) => cell.trim()))
    .map((cells) => ({ attack: cells[1] ?? '', shownBy: cells.at(-2) ?? '' }));

  it.each(THREAT_ROW_IDS)('%s matches one row of the threat model', (row) => {
    expect(lines.filter(({ attack }) => attack.includes(THREAT_ROWS[row].attack))).toHaveLength(1);
  });

  it('include every row that the threat model attributes to the table', () => {
    const shown = lines.filter(({ shownBy }) => shownBy.startsWith('table'));
    const isKnown = (attack: string) =>
      THREAT_ROW_IDS.some((row) => attack.includes(THREAT_ROWS[row].attack));
    expect(shown.length).toBeGreaterThan(0);
    expect(shown.filter(({ attack }) => !isKnown(attack))).toEqual([]);
  });
});

describe('parseAttackFile', () => {
  const line = {
    ...{ name: 'x', row: 'entered', as: 'editor', rule: '11', path: 'container' },
    request: { method: 'GET', path: 'pods/victim/exec' },
  };
  const faultsIn = (...lines: object[]) =>
    parseAttackFile('x.yaml', JSON.stringify(lines)).faults.map(({ path }) => path);

  it('accepts a valid row', () => {
    expect(faultsIn(line)).toEqual([]);
  });

  it('reports all unknown keys and values at once', () => {
    const surprising = { ...line, rul: '11', request: { ...line.request, verb: 'GET' } };
    expect(faultsIn(surprising, { ...line, row: 'none' })).toEqual([
      '[0].rul',
      '[0].request.verb',
      '[1].row',
    ]);
  });

  it('rejects no kind, two kinds, and a rule or sender that does not fit the kind', () => {
    const change = { patch: [{ op: 'remove', path: '/spec' }] };
    expect(faultsIn({ ...line, request: undefined })).toEqual(['"x" (kind)']);
    expect(faultsIn({ ...line, change })).toEqual(['"x" (kind)']);
    expect(faultsIn({ ...line, rule: 'Forbidden' })).toEqual(['"x" rule']);
    expect(faultsIn({ ...line, as: 'node' })).toEqual(['"x" as']);
    expect(faultsIn({ ...line, path: undefined })).toEqual(['"x" path']);
  });

  it('rejects duplicate names and rows with too few attacks', () => {
    const { attacks: two } = parseAttackFile('x.yaml', JSON.stringify([line, line]));
    const paths = checkAttacks(two).map(({ path }) => path);
    expect(paths).toContain('"x"');
    expect(paths).toContain('row ephemeral');
    expect(paths).not.toContain('row entered');
  });

  it('rejects duplicate keys', () => {
    expect(parseAttackFile('x.yaml', '- {name: a, name: b}').faults).toHaveLength(1);
  });
});

describe('a pod of the attack table', () => {
  it.each(['plain', 'declared', 'injected'] as const)('%s, is admitted unchanged', async (of) => {
    expect((await evaluatePodCreation(await buildBasePod({ of, patch: [] }))).breaches).toEqual([]);
  });

  it.each(toNamedCases(filterAttacksByKind(attacks, 'create')))('%s', async (_name, attack) => {
    const pod = applyOperations(await buildBasePod(attack.create), attack.create.patch) as Pod;
    expectStatedRefusal(attack, await evaluatePodCreation(pod));
  });
});

describe('a change of the attack table', () => {
  // Only the admission policies check status updates.
  const changes = filterAttacksByKind(attacks, 'change').filter(
    ({ change }) => change.through !== 'status',
  );

  it.each(toNamedCases(changes))('%s', async (_name, { as, change, rule }) => {
    const oldPod = await injectPod(buildDeclaredPod('victim', podDefaults));
    const groups = as === 'break-glass' ? ['e2e-break-glass'] : [];
    const pod = applyOperations(oldPod, change.patch);
    const { breaches } = await evaluatePodUpdate({ pod, oldPod }, groups);
    expect(breaches.map((breach) => breach.rule)).toContain(rule);
  });
});

describe('a policy of the attack table', () => {
  const policies = filterAttacksByKind(attacks, 'request').filter(
    ({ rule }) => rule === 'policies.valetkey.dev',
  );

  it.each(toNamedCases(policies))('%s', (_name, attack) => {
    expectStatedRefusal(attack, evaluateTaskPolicy(attack.request.body));
  });
});

describe('an unadmitted pod of the attack table', () => {
  it.each(toNamedCases(filterAttacksByKind(attacks, 'unadmitted')))(
    '%s',
    async (_name, { unadmitted, rule, path }) => {
      const pod = applyOperations(
        await injectPod(buildDeclaredPod('unadmitted', podDefaults)),
        unadmitted.patch,
      );
      // A pod that passes all rules is left to policy.
      expect(checkRunningPod(pod)).toEqual(rule === 'pod_noncompliant' ? [path] : []);
    },
  );
});
