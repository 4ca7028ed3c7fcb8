import { REVOCATIONS, type Revocation } from '../../../lib/contract/authority-api.ts';
import { INSTALLED } from '../../../lib/contract/names.ts';
import { isCompletionBy } from '../../../lib/revocation/completion.ts';
import { isInForce } from '../../../lib/revocation/matching.ts';
import { formatTarget } from '../../../lib/revocation/observed-revocations.ts';
import { readRevocation } from '../../../lib/revocation/revocation.ts';
import {
  buildRevocationSpec,
  createRevocationObject,
  parseRevocationSpec,
  type RevokeTarget,
} from '../revoke.ts';
import { createUsageError } from '../tool-error.ts';
import { PageError, type Handler, type Page } from './console-context.ts';
import { readOptional, renderForm, renderReasonField, type FormContext } from './forms.ts';
import { html, type Html, type HtmlPart } from './html.ts';
import { renderState, renderTable, renderTime } from './layout.ts';
import { readPermission, renderAbsence, type Permission } from './permissions.ts';

export type RevocationsData = {
  /** The newest first. */
  readonly revocations: readonly Revocation[];
  /** Number of Revocations by which the authority reports the end of a run. */
  readonly completions: number;
  readonly mayCreate: Permission;
  readonly mayLift: Permission;
  readonly now: number;
};

/** `GET /revocations` */
export const showRevocations: Handler = async (_, context) => {
  const { cluster, now } = context;
  const [stored, mayCreate, mayLift] = await Promise.all([
    cluster.listRevocations(),
    readPermission(context, [{ verb: 'create', resource: REVOCATIONS }]),
    readPermission(context, [{ verb: 'delete', resource: REVOCATIONS }]),
  ]);
  const by = `system:serviceaccount:${cluster.installedIn}:${INSTALLED.authority}`;
  const all = stored.map(readRevocation).flatMap((each) => (each.ok ? [each.value] : []));
  const revocations = all
    .filter((each) => !isCompletionBy(each, by))
    .toSorted((one, other) => other.createdAt - one.createdAt);
  const completions = all.length - revocations.length;
  return renderRevocations({ revocations, completions, mayCreate, mayLift, now: now() }, context);
};

/** Renders the Revocations, and the forms to create and to delete one. */
const renderRevocations = (data: RevocationsData, context: FormContext): Page => {
  const { revocations, completions, mayCreate, mayLift, now } = data;
  return {
    view: 'revocations',
    title: 'Revocations',
    content: html`
      ${renderAbsence('Lift a Revocation', mayLift)}
      ${renderTable({
        caption: 'Revocations',
        columns: ['Target', 'State', 'By', 'Created', 'Until', 'Reason', 'Name'],
        rows: revocations.map(({ name, uid, createdAt, spec }) => [
          formatTarget(spec),
          isInForce(spec, now) ? renderState('in force', 'bad') : renderState('over', 'off'),
          spec.by,
          renderTime(createdAt),
          spec.until === undefined ? 'it is lifted' : renderTime(Date.parse(spec.until)),
          spec.reason,
          html`<code>${name}</code>${mayLift.isAllowed && renderLiftForm({ name, uid }, context)}`,
        ]),
        empty: 'There are no Revocations.',
      })}
      ${
        completions > 0 &&
        html`<p>And ${completions} by which the authority reported that a run ended.</p>`
      }
      <section class="sheet">
        <h2>Revoke</h2>
        ${mayCreate.isAllowed ? renderCreateForm(context) : renderAbsence('Revoke', mayCreate)}
      </section>
    `,
  };
};

const renderLiftForm = (
  { name, uid }: Pick<Revocation, 'name' | 'uid'>,
  context: FormContext,
): HtmlPart =>
  html`<details>
    <summary>Lift</summary>
    ${renderForm(
      context,
      { path: `/revocations/${name}/lift`, uid },
      html`<p>New runs of the target may start again.</p>
        <button class="danger">Delete this Revocation</button>`,
    )}
  </details>`;

/** Kinds of targets, the form of each, and whether every run of many workloads ends. */
const TARGETS = [
  ['run', 'a run', 'run ID', false],
  ['pod', 'a pod', 'namespace/name', false],
  ['task', 'a task', 'namespace/service-account/task', false],
  ['serviceAccount', 'a service account', 'namespace/name', false],
  ['namespace', 'a namespace', 'namespace', true],
  ['all', 'everything', 'empty', true],
] as const;

const renderCreateForm = (context: FormContext): Html =>
  renderForm(
    context,
    { path: '/revocations', uid: '' },
    html`<p>
        <label for="kind">Revoke the runs of</label>
        <select id="kind" name="kind">
          ${TARGETS.map(
            ([kind, label, form]) => html`<option value="${kind}">${label}: ${form}</option> `,
          )}
        </select>
      </p>
      <p>
        <label for="target">Target</label>
        <input id="target" name="target" maxlength="512" autocomplete="off" spellcheck="false" />
      </p>
      ${renderReasonField('reason', { isRequired: true })}
      <p>
        <label for="until">Until (optional): a duration such as 2h, or a time (RFC 3339)</label>
        <input id="until" name="until" maxlength="64" autocomplete="off" />
      </p>
      <p>
        <input type="checkbox" id="confirm" name="confirm" value="yes" />
        <label for="confirm">I mean every run of a namespace, or of everything</label>
      </p>
      <button class="danger">Revoke</button>`,
  );

/** `POST /revocations` */
export const createRevocation: Handler = async ({ form }, { cluster, now, newId, user }) => {
  const until = readOptional(form, 'until');
  const spec = buildRevocationSpec(
    {
      ...readTarget(form),
      reason: form.get('reason') ?? '',
      ...(until !== undefined && { until }),
    },
    now(),
  );
  await createRevocationObject(cluster, parseRevocationSpec({ ...spec, by: user }), newId);
  return { path: '/revocations', notice: 'revoked' };
};

const readTarget = (form: URLSearchParams): RevokeTarget => {
  const [kind, , , isWide] = TARGETS.find(([each]) => each === form.get('kind')) ?? [];
  if (kind === undefined) {
    throw createUsageError([{ path: 'kind', expected: 'a kind of target', got: 'another' }]);
  }
  if (isWide && form.get('confirm') !== 'yes') {
    const expected = 'the box to be checked for a namespace, or for everything';
    throw createUsageError([{ path: 'confirm', expected, got: 'nothing' }]);
  }
  const target = form.get('target') ?? '';
  if (kind !== 'all') return { [kind]: target };
  if (target === '') return { all: true };
  throw createUsageError([
    { path: 'target', expected: 'nothing, for everything', got: 'a target' },
  ]);
};

/** `POST /revocations/{name}/lift` */
export const liftRevocation: Handler = async ({ params, form }, { cluster }) => {
  const { name = '' } = params;
  const uid = form.get('uid') ?? '';
  const found = await cluster.readRevocation(name);
  // The API server compares the UID again: the object may change between the two.
  const isLifted =
    found?.metadata.uid === uid && (await cluster.removeRevocation(name, uid)) === 'removed';
  if (isLifted) return { path: '/revocations', notice: 'lifted' };
  throw new PageError(409, [
    `Revocation ${name}: expected the one that the page showed, got ${found === undefined ? 'nothing' : 'another of the same name'}. Nothing was deleted.`,
  ]);
};
