import { APPROVALS, type Approval, type ApprovalRequest } from '../../../lib/contract/approvals.ts';
import { buildDecision, createDecision } from '../approvals.ts';
import { formatGroup, getShownState } from '../approvals-view.ts';
import { createUsageError } from '../tool-error.ts';
import { renderRequestState } from './approval-list.ts';
import {
  PageError,
  type ConsoleContext,
  type Handler,
  type Page,
  type ViewRequest,
} from './console-context.ts';
import { readOptional, renderForm, renderReasonField, type FormContext } from './forms.ts';
import { html, type Html, type HtmlPart } from './html.ts';
import { renderFields, renderTable, renderTime } from './layout.ts';
import { readPermission, renderAbsence, type Permission } from './permissions.ts';

export type ApprovalDetailData = {
  readonly request: ApprovalRequest;
  readonly decisions: readonly Approval[];
  /** By group. */
  readonly permissions: ReadonlyMap<string, Permission>;
  readonly now: number;
};

/** `GET /approvals/{namespace}/{name}` */
export const showApproval: Handler = async ({ params }, context) => {
  const request = await findRequest(params, context);
  if (request === undefined) return undefined;
  const [decisions, permissions] = await Promise.all([
    context.cluster.approvals.listDecisions(request),
    readPermissions(request, context),
  ]);
  return renderApproval({ request, decisions, permissions, now: context.now() }, context);
};

const findRequest = (
  { namespace = '', name = '' }: ViewRequest['params'],
  { cluster }: ConsoleContext,
): Promise<ApprovalRequest | undefined> => cluster.approvals.read(namespace, name);

const readPermissions = async (
  { namespace, spec }: ApprovalRequest,
  context: ConsoleContext,
): Promise<ReadonlyMap<string, Permission>> =>
  new Map(
    await Promise.all(
      spec.groups.map(async ({ name }) => {
        const permission = await readPermission(context, [
          // In no namespace, as the ValidatingAdmissionPolicy asks.
          { verb: 'approve', resource: 'approvalgroups', name },
          { verb: 'create', resource: APPROVALS, namespace },
        ]);
        return [name, permission] as const;
      }),
    ),
  );

/** Renders the request as the authority parsed it, what people decided, and the forms to decide. */
export const renderApproval = (data: ApprovalDetailData, context: FormContext): Page => {
  const { request, decisions, now } = data;
  const { namespace, name, spec } = request;
  const { serviceAccount, pod, consumer, task, user, chain } = spec.requester;
  return {
    view: 'approvals',
    title: `Request of ${namespace}/${pod}`,
    content: html`
      <section class="sheet request">
        <h2>What is asked</h2>
        ${renderFields(spec.request.map((field) => [field.name, html`<code>${field.value}</code>`]))}
      </section>
      <section class="sheet">
        <h2>Who asks</h2>
        ${renderFields([
          ['State', renderRequestState(request, now)],
          ['Asks for', spec.kind === 'call' ? 'one call of a run' : 'the start of a run'],
          ['Pod', `${namespace}/${pod}, container ${consumer}`],
          ['Service account', serviceAccount],
          ['Task', task],
          ...(user === undefined
            ? []
            : ([['For user', `${user.subject} of ${user.issuer}`]] as const)),
          ...(chain.length === 0
            ? []
            : ([
                [
                  'Delegated by',
                  chain.map((each) => `${each.namespace}/${each.serviceAccount}`).join(', '),
                ],
              ] as const)),
          ['Groups', spec.groups.map(formatGroup).join(', ')],
          ['Policies that ask', spec.policies.map(({ id }) => id).join(', ')],
          ['Expires', renderTime(Date.parse(spec.expiresAt))],
          ['Name', html`<code>${name}</code>`],
          ['Digest', html`<code>${spec.digest}</code>`],
        ])}
      </section>
      ${renderTable({
        caption: 'Decisions so far',
        columns: ['Decision', 'Group', 'By', 'At', 'Reason'],
        rows: decisions.map((each) => [
          each.spec.emergency === undefined
            ? each.spec.decision
            : `${each.spec.decision} (emergency)`,
          each.spec.group,
          each.spec.by,
          renderTime(each.createdAt),
          each.spec.reason ?? '',
        ]),
        empty: 'No one has decided yet.',
      })}
      ${renderDecisionForms(data, context)}
    `,
  };
};

const DECIDABLE: ReadonlySet<string> = new Set(['pending', 'approved']);

const renderDecisionForms = (
  { request, permissions, now }: ApprovalDetailData,
  context: FormContext,
): Html => {
  const state = getShownState(request, now);
  const isOver = !DECIDABLE.has(state);
  return html`<section>
    <h2>Decide</h2>
    ${
      isOver
        ? html`<p class="absent">Approve or deny: not offered. The request is ${state}.</p>`
        : request.spec.groups.map(({ name }) => {
            const permission = permissions.get(name);
            return permission?.isAllowed === true
              ? renderDecisionForm(request, name, context)
              : permission && renderAbsence(`Decide for ${name}`, permission);
          })
    }
  </section>`;
};

const renderDecisionForm = (
  { namespace, name, uid, spec }: ApprovalRequest,
  group: string,
  context: FormContext,
): HtmlPart =>
  renderForm(
    context,
    { path: `/approvals/${namespace}/${name}`, uid },
    html`<input type="hidden" name="digest" value="${spec.digest}" />
      <input type="hidden" name="group" value="${group}" />
      <fieldset>
        <legend>For ${group}</legend>
        ${renderReasonField(`reason-${group}`, { isRequired: false })}
        <p class="buttons">
          <button name="decision" value="approve">Approve this request</button>
          <button name="decision" value="deny" class="danger">Deny</button>
        </p>
      </fieldset>`,
  );

/** `POST /approvals/{namespace}/{name}`. The object is read again: one that was made again is another. */
export const decideApproval: Handler = async ({ params, form }, context) => {
  const request = await findRequest(params, context);
  if (request === undefined) throw newStaleError(params, 'nothing');
  const isSame = request.uid === form.get('uid') && request.spec.digest === form.get('digest');
  if (!isSame) throw newStaleError(params, 'another of the same name');
  const spec = buildDecision(request, {
    decision: readDecision(form),
    group: readGroup(request, form),
    by: context.user,
    reason: readOptional(form, 'reason'),
  });
  await createDecision(context.cluster, { request, spec }, context.newId);
  return {
    path: `/approvals/${request.namespace}/${request.name}`,
    notice: spec.decision === 'approve' ? 'approved' : 'denied',
  };
};

const newStaleError = (
  { namespace = '', name = '' }: ViewRequest['params'],
  got: string,
): PageError =>
  new PageError(409, [
    `ApprovalRequest ${namespace}/${name}: expected the one that the page showed, got ${got}. Nothing was decided: read it again.`,
  ]);

/** Reviews and emergencies are decided with the command line only. */
const readDecision = (form: URLSearchParams): 'approve' | 'deny' => {
  const decision = form.get('decision');
  if (decision === 'approve' || decision === 'deny') return decision;
  throw createUsageError([
    { path: 'decision', expected: 'approve or deny', got: 'something else' },
  ]);
};

const readGroup = ({ spec }: ApprovalRequest, form: URLSearchParams): string => {
  const group = spec.groups.find(({ name }) => name === form.get('group'));
  if (group !== undefined) return group.name;
  throw createUsageError([{ path: 'group', expected: 'a group of the request', got: 'another' }]);
};
