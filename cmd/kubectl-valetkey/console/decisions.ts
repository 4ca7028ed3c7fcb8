import type { Handler, Page } from './console-context.ts';
import { html, type HtmlPart } from './html.ts';
import { renderProblems, renderTable, renderTime } from './layout.ts';
import { listDecisions, MAX_DECISIONS } from '../records/live-runs.ts';
import type { RecordLog, ShownRecord } from '../records/shown-records.ts';

/** `GET /decisions` */
export const showDecisions: Handler = async (_, { readRecords }) =>
  renderDecisions(await readRecords());

/** Renders the last decisions with what decided them. */
const renderDecisions = ({ records, knownSince, problems }: RecordLog): Page => ({
  view: 'decisions',
  title: 'Decisions',
  content: html`
    <p>
      The last ${MAX_DECISIONS} decisions in the authority's log, known since
      ${renderTime(knownSince)}. The records are not verified here;
      <code>kubectl valetkey audit</code>
      verifies them.
    </p>
    ${renderProblems('Records that could not be read', problems)}
    ${renderTable({
      caption: 'Newest first',
      columns: ['At', 'What', 'Workload', 'Why'],
      rows: listDecisions(records).map((record) => [
        renderTime(record.at),
        html`<code class="word">${record.kind}</code> ${record.count > 1 && `× ${record.count}`}`,
        renderWorkload(record),
        renderReason(record),
      ]),
      empty: 'No decisions are known.',
    })}
  `,
});

const renderWorkload = ({ namespace, pod, task, subject, run, user }: ShownRecord): HtmlPart => {
  const workload = [namespace, pod].filter(Boolean).join('/');
  const details = [task && `task ${task}`, user && `for ${user}`, run && `run ${run}`];
  return html`${workload || subject} <small>${details.filter(Boolean).join(', ')}</small>`;
};

const renderReason = ({ code, message, policies }: ShownRecord): HtmlPart =>
  html`${code !== '' && html`<code>${code}</code> `}${message}
  ${policies.length > 0 && html`<small>policies ${policies.join(', ')}</small>`}`;
