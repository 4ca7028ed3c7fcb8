import type { CustomResource } from '../../../lib/edge/kubernetes/custom-resources.ts';
import { compilePolicies } from '../../../lib/policy/compiled-policies.ts';
import { toPolicyText } from '../../../lib/policy/policy-text.ts';
import { checkPolicies, type PolicyState } from '../policy-states.ts';
import { listExceptions, STATE_TEXT, type ListedException } from '../vend-report.ts';
import type { Handler, Page } from './console-context.ts';
import { html, renderLines, type Html, type HtmlPart } from './html.ts';
import { renderFields, renderState, renderTable, renderTime } from './layout.ts';

/** `GET /policies` */
export const showPolicies: Handler = async (_, { cluster, session, now }) => {
  const stored = await cluster.listPolicies();
  return renderPolicies({
    base: `/${session.key}`,
    policies: checkPolicies(stored).value,
    exceptions: listPolicyExceptions(stored, now()),
  });
};

const listPolicyExceptions = (
  stored: readonly CustomResource[],
  now: number,
): readonly ListedException[] => listExceptions(compilePolicies(stored.map(toPolicyText)), now);

export type PoliciesData = {
  readonly base: string;
  readonly policies: readonly PolicyState[];
  readonly exceptions: readonly ListedException[];
};

/** Renders every TaskPolicy with its state. */
const renderPolicies = ({ base, policies, exceptions }: PoliciesData): Page => ({
  view: 'policies',
  title: 'Policies',
  content: html`
    ${renderTable({
      caption: 'TaskPolicies',
      columns: ['Name', 'State', 'Reason', 'Created'],
      rows: policies.map((policy) => [
        html`<a href="${base}/policies/${policy.name}">${policy.name}</a>`,
        renderPolicyState(policy),
        policy.reason,
        renderTime(policy.createdAt),
      ]),
      empty: 'There are no TaskPolicies: all tasks are denied.',
    })}
    ${renderExceptions(exceptions)}
  `,
});

const renderPolicyState = ({ isReady }: PolicyState): Html =>
  isReady ? renderState('ready', 'good') : renderState('not ready', 'bad');

const renderExceptions = (exceptions: readonly ListedException[]): HtmlPart =>
  renderTable({
    caption: 'Exceptions with an end (@until)',
    columns: ['Policy', 'Until', 'State', 'Reason'],
    rows: exceptions.map(({ policy, until, state, reason }) => [
      ...[policy, until, STATE_TEXT[state], reason],
    ]),
    empty: 'No permit has an end (@until).',
  });

/** `GET /policies/{name}` */
export const showPolicy: Handler = async ({ params }, { cluster, now }) => {
  const stored = await cluster.readPolicy(params['name'] ?? '');
  const [state] = stored === undefined ? [] : checkPolicies([stored]).value;
  if (stored === undefined || state === undefined) return undefined;
  const { cedar } = toPolicyText(stored);
  return renderPolicy({ state, cedar, exceptions: listPolicyExceptions([stored], now()) });
};

export type PolicyData = Pick<PoliciesData, 'exceptions'> & {
  readonly state: PolicyState;
  readonly cedar: string;
};

/** Renders the text of one TaskPolicy. */
const renderPolicy = ({ state, cedar, exceptions }: PolicyData): Page => ({
  view: 'policies',
  title: `TaskPolicy ${state.name}`,
  content: html`
    ${renderFields([
      ['State', renderPolicyState(state)],
      ['Reason', state.reason],
      ['Message', html`<span class="lines">${renderLines(state.message)}</span>`],
      ['Created', renderTime(state.createdAt)],
    ])}
    <h2>Text</h2>
    <pre tabindex="0" aria-label="Text of the policy"><code>${renderLines(cedar)}</code></pre>
    ${renderExceptions(exceptions)}
  `,
});
