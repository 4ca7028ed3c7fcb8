import { REVOCATIONS } from '../../../lib/contract/authority-api.ts';
import { readLiveRuns, type LiveRun, type LiveRunsData } from '../records/live-runs.ts';
import { buildRevocationSpec, createRevocationObject, parseRevocationSpec } from '../revoke.ts';
import { PageError, type Handler, type Page } from './console-context.ts';
import { renderForm, renderReasonField, type FormContext } from './forms.ts';
import { html, type HtmlPart } from './html.ts';
import { renderProblems, renderTable, renderTime } from './layout.ts';
import { readPermission, renderAbsence, type Permission } from './permissions.ts';

/** `GET /runs` */
export const showRuns: Handler = async (_, context) => {
  const [data, permission] = await Promise.all([
    readLiveRuns(context),
    readPermission(context, [{ verb: 'create', resource: REVOCATIONS }]),
  ]);
  return renderRuns(data, permission, context);
};

const MAX_SHOWN = 500;

/** Renders the live runs, each with a form if the user may revoke it. */
export const renderRuns = (
  { runs, knownSince, problems }: LiveRunsData,
  permission: Permission,
  context: FormContext,
): Page => ({
  view: 'runs',
  title: 'Live runs',
  content: html`
    <p>
      From the records in the authority's log, known since ${renderTime(knownSince)}. Runs that
      started earlier may be missing.
    </p>
    ${renderProblems('Records that could not be read', problems)}
    ${renderAbsence('Revoke a run', permission)}
    ${renderTable({
      caption: runs.length > MAX_SHOWN ? `The newest ${MAX_SHOWN} of ${runs.length}` : 'Live runs',
      columns: ['Task', 'Workload', 'Scope', 'Ends', 'Run'],
      rows: runs
        .slice(0, MAX_SHOWN)
        .map((run) => [
          html`${run.task} ${run.user !== '' && html`<small>for ${run.user}</small>`}`,
          html`${run.namespace}/${run.pod}
            <small>${run.serviceAccount}, container ${run.consumer}</small>`,
          renderScope(run),
          renderTime(run.deadline),
          html`<code>${run.run}</code>${permission.isAllowed && renderRevokeForm(run, context)}`,
        ]),
      empty: 'No live runs are known.',
    })}
  `,
});

const renderScope = ({ actions, resources }: LiveRun): HtmlPart =>
  html`${actions.join(', ')} <small>${resources.join(', ')}</small>`;

const renderRevokeForm = ({ run, podUid }: LiveRun, context: FormContext): HtmlPart =>
  html`<details>
    <summary>Revoke</summary>
    ${renderForm(
      context,
      { path: `/runs/${run}/revoke`, uid: podUid },
      html`${renderReasonField(`reason-${run}`, { isRequired: true })}
        <button class="danger">Revoke this run</button>`,
    )}
  </details>`;

/** `POST /runs/{run}/revoke`. The records are read again: a run that has ended needs no Revocation. */
export const revokeRun: Handler = async ({ params, form }, context) => {
  const { run = '' } = params;
  const { runs } = await readLiveRuns(context);
  const isLive = runs.some((each) => each.run === run && each.podUid === form.get('uid'));
  if (!isLive) {
    throw new PageError(409, [`run ${run}: expected a live run, got one that ended or is unknown`]);
  }
  const spec = buildRevocationSpec({ run, reason: form.get('reason') ?? '' }, context.now());
  await createRevocationObject(
    context.cluster,
    parseRevocationSpec({ ...spec, by: context.user }),
    context.newId,
  );
  return { path: '/runs', notice: 'revoked' };
};
