import { TASK_PROPOSALS, type TaskProposal } from '../../../lib/contract/proposals.ts';
import { listProposedActions } from '../proposals-view.ts';
import { PageError, type Handler, type Page } from './console-context.ts';
import { renderForm, type FormContext } from './forms.ts';
import { html, renderLines, type Html, type HtmlPart } from './html.ts';
import { renderFields, renderTable, renderTime } from './layout.ts';
import {
  readNamespacedList,
  renderNamespaceFilter,
  type NamespacedList,
} from './namespaced-list.ts';
import { readPermission, renderAbsence, type Permission } from './permissions.ts';

/** `GET /proposals`, of `?namespace=` or of every namespace. */
export const showProposals: Handler = async (request, context) => {
  const { proposals } = context.cluster;
  const found = await readNamespacedList(request, context, (namespace) =>
    namespace === undefined ? proposals.listAll() : proposals.list(namespace),
  );
  return renderProposals(found, `/${context.session.key}`);
};

/** Renders the proposals, the newest first. */
const renderProposals = (found: NamespacedList<TaskProposal>, base: string): Page => ({
  view: 'proposals',
  title: 'Proposals of agents',
  content: html`
    <p>
      A proposal names a right that an agent lacked. Nothing applies it: a person changes the
      workload and the policy.
    </p>
    ${renderNamespaceFilter(`${base}/proposals`, { ...found, objects: 'proposals' })}
    ${renderTable({
      caption: 'Proposals',
      columns: ['Proposal', 'Task', 'Pod', 'Actions', 'Created', 'Expires'],
      rows: found.items
        .toSorted((one, other) => other.createdAt - one.createdAt)
        .map(({ namespace, name, createdAt, spec }) => [
          html`<a href="${base}/proposals/${namespace}/${name}"><code>${name}</code></a>`,
          spec.task,
          `${namespace}/${spec.requester.pod}`,
          listProposedActions(spec).join(', '),
          renderTime(createdAt),
          renderTime(Date.parse(spec.expiresAt)),
        ]),
      empty: 'There are no proposals.',
    })}
  `,
});

/** `GET /proposals/{namespace}/{name}` */
export const showProposal: Handler = async ({ params }, context) => {
  const { namespace = '', name = '' } = params;
  const proposal = await context.cluster.proposals.read(namespace, name);
  if (proposal === undefined) return undefined;
  const mayDismiss = await readPermission(context, [
    { verb: 'delete', resource: TASK_PROPOSALS, namespace },
  ]);
  return renderProposal(proposal, mayDismiss, context);
};

/** Renders what a person would change, and beside it the agent's words. */
const renderProposal = (
  proposal: TaskProposal,
  mayDismiss: Permission,
  context: FormContext,
): Page => {
  const { namespace, name, createdAt, spec } = proposal;
  const { pod, consumer, serviceAccount } = spec.requester;
  return {
    view: 'proposals',
    title: `Proposal of ${namespace}/${pod}`,
    content: html`
      <section class="sheet request">
        <h2>What is missing</h2>
        ${renderFields(
          spec.allow.flatMap(({ actions, resources }) => [
            ['Actions', html`<code>${actions.join(', ')}</code>`] as const,
            ['Resources', html`<code>${resources.join(', ')}</code>`] as const,
          ]),
        )}
      </section>
      ${renderText('Change of the annotation', spec.annotation, 'None: the task declares it.')}
      ${renderText('Policy', spec.cedar, 'None: policy permits it.')}
      <section class="sheet">
        <h2>Who proposes it</h2>
        ${renderFields([
          ['Pod', `${namespace}/${pod}, container ${consumer}`],
          ['Service account', serviceAccount],
          ['Task', spec.task],
          ...(spec.reason === undefined
            ? []
            : ([["The agent's words (untrusted)", spec.reason]] as const)),
          ['Created', renderTime(createdAt)],
          ['Expires', renderTime(Date.parse(spec.expiresAt))],
          ['Name', html`<code>${name}</code>`],
        ])}
      </section>
      <section>
        <h2>Dismiss</h2>
        ${
          mayDismiss.isAllowed
            ? renderDismissForm(proposal, context)
            : renderAbsence('Dismiss', mayDismiss)
        }
      </section>
    `,
  };
};

const renderText = (title: string, text: string, otherwise: string): Html => html`
  <h2>${title}</h2>
  ${
    text === ''
      ? html`<p>${otherwise}</p>`
      : html`<pre tabindex="0" aria-label="${title}"><code>${renderLines(text)}</code></pre>`
  }
`;

const renderDismissForm = (
  { namespace, name, uid }: TaskProposal,
  context: FormContext,
): HtmlPart =>
  renderForm(
    context,
    { path: `/proposals/${namespace}/${name}/dismiss`, uid },
    html`<p>Nothing was allowed by it, and nothing is taken away.</p>
      <button class="danger">Delete this proposal</button>`,
  );

/** `POST /proposals/{namespace}/{name}/dismiss`. The API server compares the UID again. */
export const dismissProposal: Handler = async ({ params, form }, { cluster }) => {
  const { namespace = '', name = '' } = params;
  const uid = form.get('uid') ?? '';
  const found = await cluster.proposals.read(namespace, name);
  const isDismissed =
    found?.uid === uid && (await cluster.proposals.dismiss({ namespace, name, uid })) === 'removed';
  if (isDismissed) return { path: '/proposals', notice: 'dismissed' };
  throw new PageError(409, [
    `TaskProposal ${namespace}/${name}: expected the one that the page showed, got ${found === undefined ? 'nothing' : 'another of the same name'}. Nothing was deleted.`,
  ]);
};
