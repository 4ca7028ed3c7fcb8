import { describeTarget } from '../../lib/revocation/observed.ts';
import type { Answer } from './answer.ts';
import type { State } from './state.ts';
import { ageOf, table } from './table.ts';

/** What `status` says; `now` in milliseconds since the epoch. */
export const statusAnswer = (state: State, now: number): Answer => ({
  isWell: state.problems.length === 0,
  lines: [
    `trust: ${state.trust}`,
    '',
    ...programTable(state),
    ...(state.trust === 'authority' ? authorityTables(state, now) : []),
    '',
    ...table(
      ['PODS WITH TASKS', 'LIVE'],
      orNone(state.pods.map(({ namespace, count }) => [namespace, `${count}`])),
    ),
    '',
    ...(state.problems.length === 0 ? ['all is well'] : ['not well:', ...state.problems.map(item)]),
  ],
  json: state,
});

const item = (problem: string): string => `  ${problem}`;

const programTable = ({ programs }: State): readonly string[] =>
  table(
    ['PROGRAM', 'READY'],
    orNone(
      programs.map(({ kind, name, ready, wanted }) => [`${kind} ${name}`, `${ready}/${wanted}`]),
    ),
  );

const authorityTables = (state: State, now: number): readonly string[] => [
  '',
  ...policyTable(state, now),
  '',
  ...keyTable(state, now),
  '',
  ...revocationTable(state, now),
  '',
  ...headTable(state, now),
];

const policyTable = ({ policies }: State, now: number): readonly string[] =>
  table(
    ['POLICY', 'READY', 'REASON', 'AGE'],
    orNone(
      policies.map(({ name, isReady, reason, createdAt }) => [
        ...[name, isReady ? 'yes' : 'no', reason, ageOf(now - createdAt)],
      ]),
    ),
  );

const keyTable = ({ keys }: State, now: number): readonly string[] =>
  table(
    ['KEY OF GRANTS', 'ALGORITHM', 'USE', 'AGE'],
    orNone(
      keys.map(({ kid, algorithm, use, madeAt }) => [kid, algorithm, use, ageOf(now - madeAt)]),
    ),
  );

const revocationTable = ({ revocations, completions }: State, now: number): readonly string[] => [
  ...table(
    ['REVOCATION', 'OF', 'BY', 'UNTIL', 'AGE', 'REASON'],
    orNone(
      revocations.map(({ name, createdAt, spec }) => [
        ...[name, describeTarget(spec), spec.by, spec.until ?? 'deleted'],
        ...[ageOf(now - createdAt), spec.reason],
      ]),
    ),
  ),
  ...(completions === 0 ? [] : [`and ${completions} runs that the authority told as ended`]),
];

const headTable = ({ heads }: State, now: number): readonly string[] =>
  table(
    ['AUDIT HEAD OF', 'CHAIN', 'RECORD', 'AGE'],
    orNone(
      heads.map(({ replica, chain, sequence, at }) => [
        ...[replica, chain, `${sequence}`, ageOf(now - at)],
      ]),
    ),
  );

const orNone = (rows: readonly (readonly string[])[]): readonly (readonly string[])[] =>
  rows.length === 0 ? [['none']] : rows;
