import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseDocument } from 'yaml';
import { RULES } from '../../lib/injection/rules/rules.ts';
import { REFUSALS } from '../../lib/exchange/refusal-table.ts';
import { formatFieldError, formatValue } from '../../lib/schema/field-error.ts';
import type { FieldError } from '../../lib/schema/field-error.ts';
import { list, read } from '../../lib/schema/reader.ts';
import { attackReader } from './attack-schema.ts';
import { getMinimumAttacks, THREAT_ROW_IDS } from './threat-rows.ts';

/** A line of the table: who sends what, and which rule must answer, naming which path. */
export type Attack = Extract<ReturnType<typeof attackReader>, object>;

export const ATTACK_KINDS = [
  'create',
  'change',
  'request',
  'reach',
  'exchange',
  'use',
  'unseen',
] as const;
export type AttackKind = (typeof ATTACK_KINDS)[number];

/** An attack of one kind. */
export type AttackByKind<K extends AttackKind> = Attack & Required<Pick<Attack, K>>;

export type Operations = AttackByKind<'change'>['change']['patch'];
export type AttackSender = Attack['as'];

/** Those of one kind, in the table's order. */
export const filterAttacksByKind = <K extends AttackKind>(
  attacks: readonly Attack[],
  kind: K,
): readonly AttackByKind<K>[] =>
  attacks.filter((each): each is AttackByKind<K> => each[kind] !== undefined);

/**
 * Every attack of every file of this folder.
 *
 * @throws Error with all faults of all files at once
 */
export const readAttackTable = (): readonly Attack[] => {
  const files = globSync(join(import.meta.dirname, '*.yaml')).sort();
  const tables = files.map((file) => parseAttackFile(basename(file), readFileSync(file, 'utf8')));
  const attacks = tables.flatMap((table) => table.attacks);
  const faults = [...tables.flatMap((table) => table.faults), ...checkAttacks(attacks)];
  if (faults.length > 0) throw new Error(faults.map(formatFieldError).join('\n'));
  return attacks;
};

type ParsedTable = { readonly attacks: readonly Attack[]; readonly faults: readonly FieldError[] };

/** One file's attacks, or what is wrong with it. */
export const parseAttackFile = (source: string, text: string): ParsedTable => {
  const document = parseDocument(text, { strict: true });
  const problems = [...document.errors, ...document.warnings].map(({ code, message }) => ({
    ...{ source, path: '(root)', expected: 'strict YAML', got: `${code}: ${message}` },
  }));
  if (problems.length > 0) return { attacks: [], faults: problems };
  const result = read(list(attackReader, { min: 1 }), document.toJS());
  if (!result.ok) {
    return { attacks: [], faults: result.faults.map((fault) => ({ ...fault, source })) };
  }
  const faults = result.value.flatMap((each) => checkAttack(each));
  return { attacks: result.value, faults: faults.map((fault) => ({ ...fault, source })) };
};

const ALLOWED_SENDERS: Readonly<Record<AttackKind, readonly AttackSender[]>> = {
  create: ['editor'],
  change: ['editor', 'break-glass'],
  request: ['editor'],
  reach: ['editor'],
  exchange: ['agent', 'neighbour', 'node'],
  use: ['agent', 'neighbour', 'node'],
  unseen: ['editor'],
};

const RULE_IDS = [...RULES.map(({ id }) => id), 'declaration', 'policy'];
const REFUSAL_REASONS = Object.keys(REFUSALS);
const ALLOWED_ANSWERS: Readonly<Record<AttackKind, readonly string[]>> = {
  create: RULE_IDS,
  change: RULE_IDS,
  request: [...RULE_IDS, 'valetkey-revocations', 'policies.valetkey.dev', 'schema'],
  reach: ['unauthorized', 'ServiceUnavailable'],
  exchange: [...REFUSAL_REASONS, 'InvalidParameterValue', 'AccessDenied'],
  use: ['AccessDenied'],
  unseen: REFUSAL_REASONS,
};

const checkAttack = (given: Attack): readonly FieldError[] => {
  const kinds = ATTACK_KINDS.filter((kind) => given[kind] !== undefined);
  const [kind] = kinds;
  const wrong = (member: string, expected: string, got: unknown): FieldError => ({
    ...{ path: `${formatValue(given.name)} ${member}`, expected, got: formatValue(got) },
  });
  if (kind === undefined || kinds.length > 1) {
    return [wrong('(kind)', `exactly one of ${ATTACK_KINDS.join(', ')}`, kinds)];
  }
  const rules = [given, ...(given.also ?? [])].map(({ rule }) => rule);
  return [
    ...(ALLOWED_SENDERS[kind].includes(given.as)
      ? []
      : [wrong('as', `one of ${ALLOWED_SENDERS[kind].join(', ')}, for ${kind}`, given.as)]),
    ...rules
      .filter((rule) => !ALLOWED_ANSWERS[kind].includes(rule))
      .map((rule) => wrong('rule', `a rule or reason that answers ${kind}`, rule)),
    ...(given.path === undefined && given.words === undefined && RULE_IDS.includes(given.rule)
      ? [wrong('path', 'the path that the message names, or its words', undefined)]
      : []),
  ];
};

/** Names that are not alone, and rows that too few attacks try. */
export const checkAttacks = (attacks: readonly Attack[]): readonly FieldError[] => {
  const names = attacks.map(({ name }) => name);
  const repeated = names.filter((name, index) => names.indexOf(name) < index);
  const thin = THREAT_ROW_IDS.filter(
    (row) => attacks.filter((each) => each.row === row).length < getMinimumAttacks(row),
  );
  return [
    ...repeated.map((name) => ({
      path: formatValue(name),
      expected: 'each name once',
      got: 'again',
    })),
    ...thin.map((row) => ({
      ...{
        path: `row ${row}`,
        expected: `${getMinimumAttacks(row)} attacks or more`,
        got: 'fewer',
      },
    })),
  ];
};
