import { globSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { parseDocument } from 'yaml';
import { RULES } from '../../lib/injection/rules/rules.ts';
import { REFUSALS } from '../../lib/issuing/refusals.ts';
import { describeFault, show } from '../../lib/reading/fault.ts';
import type { Fault } from '../../lib/reading/fault.ts';
import { list, read } from '../../lib/reading/reader.ts';
import { attack } from './members.ts';
import { leastAttacksOn, ROW_IDS } from './rows.ts';

/** A line of the table: who sends what, and which rule must answer, naming which path. */
export type Attack = Extract<ReturnType<typeof attack>, object>;

export const KINDS = ['create', 'change', 'request', 'reach', 'exchange', 'use', 'unseen'] as const;
export type Kind = (typeof KINDS)[number];

/** An attack of one kind. */
export type AttackOf<K extends Kind> = Attack & Required<Pick<Attack, K>>;

export type Operations = AttackOf<'change'>['change']['patch'];
export type Sender = Attack['as'];

/** Those of one kind, in the table's order. */
export const ofKind = <K extends Kind>(
  attacks: readonly Attack[],
  kind: K,
): readonly AttackOf<K>[] =>
  attacks.filter((each): each is AttackOf<K> => each[kind] !== undefined);

/**
 * Every attack of every file of this folder.
 *
 * @throws Error with all faults of all files at once
 */
export const readTable = (): readonly Attack[] => {
  const files = globSync(join(import.meta.dirname, '*.yaml')).sort();
  const tables = files.map((file) => parseTable(basename(file), readFileSync(file, 'utf8')));
  const attacks = tables.flatMap((table) => table.attacks);
  const faults = [...tables.flatMap((table) => table.faults), ...judgeWhole(attacks)];
  if (faults.length > 0) throw new Error(faults.map(describeFault).join('\n'));
  return attacks;
};

type Table = { readonly attacks: readonly Attack[]; readonly faults: readonly Fault[] };

/** One file's attacks, or what is wrong with it. */
export const parseTable = (source: string, text: string): Table => {
  const document = parseDocument(text, { strict: true });
  const problems = [...document.errors, ...document.warnings].map(({ code, message }) => ({
    ...{ source, path: '(root)', expected: 'strict YAML', got: `${code}: ${message}` },
  }));
  if (problems.length > 0) return { attacks: [], faults: problems };
  const result = read(list(attack, { min: 1 }), document.toJS());
  if (!result.ok) {
    return { attacks: [], faults: result.faults.map((fault) => ({ ...fault, source })) };
  }
  const faults = result.value.flatMap((each) => judgeOne(each));
  return { attacks: result.value, faults: faults.map((fault) => ({ ...fault, source })) };
};

const SENDERS: Readonly<Record<Kind, readonly Sender[]>> = {
  create: ['editor'],
  change: ['editor', 'break-glass'],
  request: ['editor'],
  reach: ['editor'],
  exchange: ['agent', 'neighbour', 'node'],
  use: ['agent', 'neighbour', 'node'],
  unseen: ['editor'],
};

const RULE_IDS = [...RULES.map(({ id }) => id), 'declaration', 'policy'];
const REASONS = Object.keys(REFUSALS);
const ANSWERS: Readonly<Record<Kind, readonly string[]>> = {
  create: RULE_IDS,
  change: RULE_IDS,
  request: [...RULE_IDS, 'valetkey-revocations', 'policies.valetkey.dev', 'schema'],
  reach: ['unauthorized', 'ServiceUnavailable'],
  exchange: [...REASONS, 'InvalidParameterValue', 'AccessDenied'],
  use: ['AccessDenied'],
  unseen: REASONS,
};

const judgeOne = (given: Attack): readonly Fault[] => {
  const kinds = KINDS.filter((kind) => given[kind] !== undefined);
  const [kind] = kinds;
  const wrong = (member: string, expected: string, got: unknown): Fault => ({
    ...{ path: `${show(given.name)} ${member}`, expected, got: show(got) },
  });
  if (kind === undefined || kinds.length > 1) {
    return [wrong('(kind)', `exactly one of ${KINDS.join(', ')}`, kinds)];
  }
  const rules = [given, ...(given.also ?? [])].map(({ rule }) => rule);
  return [
    ...(SENDERS[kind].includes(given.as)
      ? []
      : [wrong('as', `one of ${SENDERS[kind].join(', ')}, for ${kind}`, given.as)]),
    ...rules
      .filter((rule) => !ANSWERS[kind].includes(rule))
      .map((rule) => wrong('rule', `a rule or reason that answers ${kind}`, rule)),
    ...(given.path === undefined && given.words === undefined && RULE_IDS.includes(given.rule)
      ? [wrong('path', 'the path that the message names, or its words', undefined)]
      : []),
  ];
};

/** Names that are not alone, and rows that too few attacks try. */
export const judgeWhole = (attacks: readonly Attack[]): readonly Fault[] => {
  const names = attacks.map(({ name }) => name);
  const repeated = names.filter((name, index) => names.indexOf(name) < index);
  const thin = ROW_IDS.filter(
    (row) => attacks.filter((each) => each.row === row).length < leastAttacksOn(row),
  );
  return [
    ...repeated.map((name) => ({ path: show(name), expected: 'each name once', got: 'again' })),
    ...thin.map((row) => ({
      ...{ path: `row ${row}`, expected: `${leastAttacksOn(row)} attacks or more`, got: 'fewer' },
    })),
  ];
};
