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

/** A row of the table: a sender, a request, and the expected rule and path. */
export type Attack = Extract<ReturnType<typeof attackReader>, object>;

export const ATTACK_KINDS = [
  'create',
  'change',
  'request',
  'reach',
  'exchange',
  'use',
  'unadmitted',
] as const;
export type AttackKind = (typeof ATTACK_KINDS)[number];

/** An attack of one kind. */
export type AttackByKind<K extends AttackKind> = Attack & Required<Pick<Attack, K>>;

export type Operations = AttackByKind<'change'>['change']['patch'];
export type AttackSender = Attack['as'];

/** Lists the attacks of one kind, in the order of the table. */
export const filterAttacksByKind = <K extends AttackKind>(
  attacks: readonly Attack[],
  kind: K,
): readonly AttackByKind<K>[] =>
  attacks.filter((each): each is AttackByKind<K> => each[kind] !== undefined);

/**
 * Reads every attack of every file of this folder.
 *
 * @throws Error with all field errors of all files
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

/** Parses the attacks of one file; returns its field errors, if any. */
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
  exchange: ['agent', 'neighbor', 'node'],
  use: ['agent', 'neighbor', 'node'],
  unadmitted: ['editor'],
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
  unadmitted: REFUSAL_REASONS,
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
      .map((rule) => wrong('rule', `a rule or reason for ${kind}`, rule)),
    ...(given.path === undefined && given.message === undefined && RULE_IDS.includes(given.rule)
      ? [wrong('path', 'the path that the message names, or message', undefined)]
      : []),
  ];
};

/** Checks that names are unique, and that each row has enough attacks. */
export const checkAttacks = (attacks: readonly Attack[]): readonly FieldError[] => {
  const names = attacks.map(({ name }) => name);
  const repeated = names.filter((name, index) => names.indexOf(name) < index);
  const thin = THREAT_ROW_IDS.filter(
    (row) => attacks.filter((each) => each.row === row).length < getMinimumAttacks(row),
  );
  return [
    ...repeated.map((name) => ({
      path: formatValue(name),
      expected: 'a unique name',
      got: 'a duplicate',
    })),
    ...thin.map((row) => ({
      ...{
        path: `row ${row}`,
        expected: `${getMinimumAttacks(row)} or more attacks`,
        got: 'fewer',
      },
    })),
  ];
};
