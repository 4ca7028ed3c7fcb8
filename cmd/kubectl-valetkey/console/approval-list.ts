import type { ApprovalRequest } from '../../../lib/contract/approvals.ts';
import { formatGroup, getShownState } from '../approvals-view.ts';
import type { Handler, Page } from './console-context.ts';
import { html, type Html } from './html.ts';
import { renderState, renderTable, renderTime } from './layout.ts';
import {
  readNamespacedList,
  renderNamespaceFilter,
  type NamespacedList,
} from './namespaced-list.ts';

/** Whether people may still decide, as far as the object says. */
export const isOpen = (request: ApprovalRequest, now: number): boolean =>
  getShownState(request, now) === 'pending';

export type ApprovalListData = NamespacedList<ApprovalRequest> & {
  readonly base: string;
  readonly now: number;
};

/** `GET /approvals`, of `?namespace=` or of every namespace. */
export const showApprovals: Handler = async (request, context) => {
  const { cluster, session, now } = context;
  const found = await readNamespacedList(request, context, cluster.approvals.list);
  return renderApprovals({ ...found, base: `/${session.key}`, now: now() });
};

/** Renders the requests that wait first, then the others, each by the time of its creation. */
const renderApprovals = (data: ApprovalListData): Page => {
  const { base, items, now } = data;
  const newest = items.toSorted((one, other) => other.createdAt - one.createdAt);
  return {
    view: 'approvals',
    title: 'Requests for approval',
    content: html`
      ${renderNamespaceFilter(`${base}/approvals`, { ...data, objects: 'requests' })}
      ${renderRequests(
        'Waiting for a decision',
        newest.filter((each) => isOpen(each, now)),
        data,
      )}
      ${renderRequests(
        'Decided, used or expired',
        newest.filter((each) => !isOpen(each, now)),
        data,
      )}
    `,
  };
};

const renderRequests = (
  caption: string,
  requests: readonly ApprovalRequest[],
  { base, now }: Pick<ApprovalListData, 'base' | 'now'>,
): Html =>
  renderTable({
    caption,
    columns: ['Request', 'Task', 'Pod', 'Groups', 'State', 'Expires'],
    rows: requests.map((request) => {
      const { namespace, name, spec } = request;
      const { task, pod } = spec.requester;
      return [
        html`<a href="${base}/approvals/${namespace}/${name}"><code>${name}</code></a>`,
        html`${task} <small>${spec.kind === 'call' ? 'one call' : 'start of a run'}</small>`,
        `${namespace}/${pod}`,
        spec.groups.map(formatGroup).join(', '),
        renderRequestState(request, now),
        renderTime(Date.parse(spec.expiresAt)),
      ];
    }),
    empty: `${caption}: none.`,
  });

const TONES = {
  pending: 'open',
  approved: 'good',
  denied: 'bad',
  used: 'off',
  expired: 'off',
} as const;

export const renderRequestState = (request: ApprovalRequest, now: number): Html => {
  const state = getShownState(request, now);
  return renderState(state, TONES[state]);
};
