import type { ApprovalRequest } from '../../../lib/contract/approvals.ts';
import { evaluateStatus, type InstallationStatus } from '../installation-status.ts';
import { readStatusData, type ReadResult } from '../status-data.ts';
import { isOpen } from './approval-list.ts';
import { readPart } from '../api-errors.ts';
import type { ConsoleContext, Handler, Page } from './console-context.ts';
import { html, type Html, type HtmlPart } from './html.ts';
import { renderProblems, renderState, renderTable, renderTime } from './layout.ts';
import { readLiveRuns, type LiveRunsData } from '../records/live-runs.ts';

export type OverviewData = {
  readonly base: string;
  readonly status: ReadResult<InstallationStatus>;
  readonly requests: ReadResult<readonly ApprovalRequest[]>;
  readonly runs: ReadResult<LiveRunsData>;
  readonly now: number;
};

/** `GET /` */
export const showOverview: Handler = async (_, context) => {
  const { cluster, session, now } = context;
  const [status, requests, runs] = await Promise.all([
    readPart(readStatus(context)),
    readPart(cluster.approvals.list()),
    readPart(readLiveRuns(context)),
  ]);
  return renderOverview({ base: `/${session.key}`, status, requests, runs, now: now() });
};

const readStatus = async ({
  cluster,
  loadCatalog,
  now,
}: ConsoleContext): Promise<InstallationStatus> => {
  const at = now();
  return evaluateStatus(await readStatusData(cluster, { now: at, loadCatalog }), at);
};

/** Renders problems, counts and the state of the programs. */
export const renderOverview = (data: OverviewData): Page => {
  const { status } = data;
  const known = 'value' in status ? status.value : undefined;
  return {
    view: 'overview',
    title: 'Overview',
    content: html`
      ${
        'unknown' in status
          ? renderProblems('Problems', [status.unknown])
          : renderFindings(status.value)
      }
      <ul class="counts">
        ${listCounts(data).map(
          ([path, label, count, detail]) =>
            html`<li>
              <a href="${data.base}${path}"><strong>${count}</strong> ${label}</a>
              ${detail !== undefined && html`<span>${detail}</span>`}
            </li> `,
        )}
      </ul>
      ${known !== undefined && renderInstallation(known)}
    `,
  };
};

const renderFindings = ({ problems, warnings }: InstallationStatus): Html => html`
  ${
    problems.length === 0
      ? html`<p class="notice">No problems found.</p>`
      : renderProblems('Problems', problems)
  }
  ${renderProblems('Warnings', warnings)}
`;

type Count = readonly [path: string, label: string, count: HtmlPart, detail: HtmlPart];

const listCounts = ({ status, requests, runs, now }: OverviewData): readonly Count[] => {
  const unread = ['?', 'unknown'] as const;
  const live: readonly [HtmlPart, HtmlPart] =
    'value' in runs
      ? [runs.value.runs.length, html`known since ${renderTime(runs.value.knownSince)}`]
      : unread;
  const open: readonly [HtmlPart, HtmlPart] =
    'value' in requests
      ? [requests.value.filter((each) => isOpen(each, now)).length, undefined]
      : unread;
  return [
    ['/approvals', 'requests wait for a decision', ...open],
    ['/runs', 'live runs', ...live],
    ...('value' in status ? countState(status.value) : []),
  ];
};

const countState = ({ policies, revocations, pods }: InstallationStatus): readonly Count[] => {
  const notReady = policies.filter(({ isReady }) => !isReady).length;
  return [
    ['/revocations', 'Revocations in force', revocations.length, undefined],
    [
      '/policies',
      'policies',
      policies.length,
      notReady > 0 ? `${notReady} not ready` : policies.length > 0 && 'all ready',
    ],
    [
      '/runs',
      'pods with tasks',
      pods.reduce((sum, { count }) => sum + count, 0),
      `in ${pods.length} ${pods.length === 1 ? 'namespace' : 'namespaces'}`,
    ],
  ];
};

const renderInstallation = ({ programs, refusals }: InstallationStatus): Html => html`
  ${renderTable({
    caption: 'Programs',
    columns: ['Program', 'Ready', 'Version'],
    rows: programs.map(({ kind, name, ready, wanted, version }) => [
      `${kind} ${name}`,
      renderState(`${ready} of ${wanted}`, ready >= wanted && wanted > 0 ? 'good' : 'bad'),
      version ?? 'unknown',
    ]),
    empty: 'No programs found.',
  })}
  ${renderTable({
    caption: 'Refusals of the last hour',
    columns: ['Code', 'Pods', 'Last', 'Message'],
    rows: refusals.map(({ code, pods, at, message }) => [code, pods, renderTime(at), message]),
    empty: 'No refusals in the last hour.',
  })}
`;
