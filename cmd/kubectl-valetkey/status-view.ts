import { formatTarget } from '../../lib/revocation/observed-revocations.ts';
import type { CommandResult } from './command-result.ts';
import { summarizePinned } from './explained-upstream.ts';
import type { InstallationStatus } from './installation-status.ts';
import { formatAge, renderTable } from './table.ts';
import type { UpstreamState } from './upstream-states.ts';
import { colorLines } from './text-line.ts';
import { STATE_TEXT, type VendingTask } from './vend-report.ts';

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
    ...renderVendTables(state),
    '',
    ...(state.problems.length === 0
      ? colorLines(['No problems found.'], 'green')
      : colorLines(['Problems:', ...state.problems.map(indent)], 'red')),
    ...(state.warnings.length === 0
      ? []
      : colorLines(['Warnings:', ...state.warnings.map(indent)], 'yellow')),
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
  ...renderUpstreamTable(state),
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

/** Empty if there are none. */
const renderUpstreamTable = ({ upstreams }: InstallationStatus): readonly string[] =>
  upstreams.length === 0
    ? []
    : [
        '',
        ...renderTable(
          [
            ...['UPSTREAM', 'TARGET', 'SECRET FROM', 'REVOCABLE', 'PINNED'],
            ...['READY', 'SECRET FOUND', 'REACHABLE', 'REASON'],
          ],
          upstreams.map(toUpstreamRow),
        ),
      ];

const toUpstreamRow = (state: UpstreamState): readonly string[] => [
  ...[state.name, state.target, state.source],
  ...[state.revocable || '-', summarizePinned(state), state.isReady ? 'yes' : 'no'],
  ...[formatCondition(state.secretFound), formatCondition(state.reachable), state.reason],
];

const formatCondition = (status: string): string => ({ True: 'yes', False: 'no' })[status] ?? '-';

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

const MAX_VENDING_ROWS = 50;

/** Empty if nothing vends and nothing has to be permitted. */
const renderVendTables = ({ vend, exceptions, vending }: InstallationStatus): readonly string[] => {
  const rest = vending.length - MAX_VENDING_ROWS;
  const vendingTable = [
    '',
    ...renderTable(
      ['TASK WITH DELIVERY VEND', 'PODS', 'NAMES', 'ALLOWED BY'],
      withPlaceholderRow(vending.slice(0, MAX_VENDING_ROWS).map(toVendingRow)),
    ),
    ...(rest > 0 ? [`and ${rest} more`] : []),
  ];
  if (vend === 'free') return vending.length === 0 ? [] : vendingTable;
  const exceptionTable = renderTable(
    ['VEND EXCEPTION', 'UNTIL', 'STATE', 'REASON'],
    withPlaceholderRow(
      exceptions.map(({ policy, until, state, reason }) => [
        ...[policy, until, STATE_TEXT[state], reason],
      ]),
    ),
  );
  return ['', ...exceptionTable, ...vendingTable];
};

const toVendingRow = ({
  namespace,
  serviceAccount,
  task,
  pods,
  podCount,
  why,
}: VendingTask): readonly string[] => {
  const names = podCount > pods.length ? [...pods, '…'] : pods;
  return [`${namespace}/${serviceAccount} ${task}`, `${podCount}`, names.join(' '), why];
};

const withPlaceholderRow = (
  rows: readonly (readonly string[])[],
): readonly (readonly string[])[] => (rows.length === 0 ? [['none']] : rows);
