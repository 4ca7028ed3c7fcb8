import { formatTarget } from '../../lib/revocation/observed-revocations.ts';
import type { CommandResult } from './command-result.ts';
import type { InstallationStatus } from './installation-status.ts';
import { formatAge, renderTable } from './table.ts';

/** Builds the output of `status`; `now` is in milliseconds since the epoch. */
export const buildStatusResult = (state: InstallationStatus, now: number): CommandResult => ({
  isHealthy: state.problems.length === 0,
  lines: [
    `trust: ${state.trust}`,
    '',
    ...renderProgramTable(state),
    '',
    ...renderCertificateTable(state),
    ...(state.trust === 'authority' ? renderAuthorityTables(state, now) : []),
    '',
    ...renderTable(
      ['NAMESPACE', 'PODS WITH TASKS'],
      withPlaceholderRow(state.pods.map(({ namespace, count }) => [namespace, `${count}`])),
    ),
    '',
    ...(state.problems.length === 0
      ? ['No problems found.']
      : ['Problems:', ...state.problems.map(indent)]),
    ...(state.warnings.length === 0 ? [] : ['Warnings:', ...state.warnings.map(indent)]),
  ],
  json: state,
});

const indent = (line: string): string => `  ${line}`;

const renderProgramTable = ({ programs }: InstallationStatus): readonly string[] =>
  renderTable(
    ['PROGRAM', 'READY', 'VERSION'],
    withPlaceholderRow(
      programs.map(({ kind, name, ready, wanted, version }) => [
        ...[`${kind} ${name}`, `${ready}/${wanted}`, version ?? 'unknown'],
      ]),
    ),
  );

const renderCertificateTable = ({ certificates }: InstallationStatus): readonly string[] =>
  renderTable(
    ['CA CERTIFICATES', 'EXPIRE'],
    withPlaceholderRow(
      certificates.map(({ name, expiresAt }) => [
        name,
        new Date(expiresAt).toISOString().slice(0, 10),
      ]),
    ),
  );

const renderAuthorityTables = (state: InstallationStatus, now: number): readonly string[] => [
  '',
  ...renderPolicyTable(state, now),
  '',
  ...renderKeyTable(state, now),
  '',
  ...renderRevocationTable(state, now),
  '',
  ...renderHeadTable(state, now),
  '',
  ...renderRefusalTable(state, now),
];

const renderPolicyTable = ({ policies }: InstallationStatus, now: number): readonly string[] =>
  renderTable(
    ['POLICY', 'READY', 'REASON', 'AGE'],
    withPlaceholderRow(
      policies.map(({ name, isReady, reason, createdAt }) => [
        ...[name, isReady ? 'yes' : 'no', reason, formatAge(now - createdAt)],
      ]),
    ),
  );

const renderKeyTable = ({ keys }: InstallationStatus, now: number): readonly string[] =>
  renderTable(
    ['GRANT KEY', 'ALGORITHM', 'USE', 'AGE'],
    withPlaceholderRow(
      keys.map(({ kid, algorithm, use, madeAt }) => [kid, algorithm, use, formatAge(now - madeAt)]),
    ),
  );

const renderRevocationTable = (
  { revocations, completions }: InstallationStatus,
  now: number,
): readonly string[] => [
  ...renderTable(
    ['REVOCATION', 'TARGET', 'BY', 'UNTIL', 'AGE', 'REASON'],
    withPlaceholderRow(
      revocations.map(({ name, createdAt, spec }) => [
        ...[name, formatTarget(spec), spec.by, spec.until ?? 'deleted'],
        ...[formatAge(now - createdAt), spec.reason],
      ]),
    ),
  ),
  ...(completions === 0 ? [] : [`and ${completions} runs that the authority reported as ended`]),
];

const renderHeadTable = ({ heads }: InstallationStatus, now: number): readonly string[] =>
  renderTable(
    ['AUDIT HEAD', 'CHAIN', 'RECORD', 'AGE'],
    withPlaceholderRow(
      heads.map(({ replica, chain, sequence, at }) => [
        ...[replica, chain, `${sequence}`, formatAge(now - at)],
      ]),
    ),
  );

const renderRefusalTable = ({ refusals }: InstallationStatus, now: number): readonly string[] =>
  renderTable(
    ['RECENT REFUSAL', 'PODS', 'AGE'],
    withPlaceholderRow(
      refusals.map(({ code, pods, at }) => [code, `${pods}`, formatAge(now - at)]),
    ),
  );

const withPlaceholderRow = (
  rows: readonly (readonly string[])[],
): readonly (readonly string[])[] => (rows.length === 0 ? [['none']] : rows);
