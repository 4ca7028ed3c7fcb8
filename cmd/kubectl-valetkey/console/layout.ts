import { VERSION } from '../../../lib/contract/version.ts';
import { NOTICES, VIEWS, type Notice, type Page } from './console-context.ts';
import { html, type Html, type HtmlPart } from './html.ts';

/** What every page shows around its content. */
export type Frame = {
  /** Prefix of every path: `/<key>`. */
  readonly base: string;
  readonly user: string;
  /** Context of the kubeconfig. */
  readonly context: string;
  readonly isReadOnly: boolean;
  /** When the session ends at the latest; milliseconds since the epoch. */
  readonly endsAt: number;
};

/** Renders a whole document. */
export const renderDocument = (
  { view, title, content }: Page,
  frame: Frame,
  notice?: Notice,
): string => {
  const { base, user, context, isReadOnly, endsAt } = frame;
  const document = html`<html lang="en">
    <head>
      <meta charset="utf-8" />
      <meta name="viewport" content="width=device-width, initial-scale=1" />
      <meta name="color-scheme" content="light dark" />
      <title>${title} · Valetkey console</title>
      <link rel="stylesheet" href="${base}/style.css" />
    </head>
    <body>
      <a class="skip" href="#content">Skip to content</a>
      <header>
        <p class="name">Valetkey</p>
        <nav aria-label="Views">
          <ul>
            ${VIEWS.map(
              ([name, path, label]) =>
                html`<li>
                  <a href="${base}${path}" ${name === view && html`aria-current="page"`}
                    >${label}</a
                  >
                </li> `,
            )}
          </ul>
        </nav>
        <p class="who">
          <span>${user}</span> in <span>${context}</span>${
            isReadOnly && html` <strong class="state">read-only</strong>`
          }
        </p>
      </header>
      <main id="content">
        ${notice !== undefined && html`<p class="notice" role="status">${NOTICES[notice]}</p>`}
        <h1>${title}</h1>
        ${content}
      </main>
      <footer>
        <p>
          Version ${VERSION}. Times are UTC. This console acts as you, and ends at
          ${renderTime(endsAt)}, or after 30 minutes without a request.
        </p>
      </footer>
    </body>
  </html>`;
  return `<!doctype html>\n${document.markup}`;
};

/** Renders a time: `2026-01-05 13:30:00`. */
export const renderTime = (at: number): Html => {
  if (!Number.isFinite(at)) return html`unknown`;
  const iso = new Date(at).toISOString();
  return html`<time datetime="${iso}">${iso.slice(0, 19).replace('T', ' ')}</time>`;
};

/** A table whose rows become blocks on a narrow screen; the roles keep its meaning there. */
export const renderTable = ({
  caption,
  columns,
  rows,
  empty,
}: {
  readonly caption: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly HtmlPart[])[];
  /** What is shown instead of a table without rows. */
  readonly empty: string;
}): Html =>
  rows.length === 0
    ? html`<p class="empty">${empty}</p>`
    : html`<table role="table">
        <caption>
          ${caption}
        </caption>
        <thead>
          <tr role="row">
            ${columns.map((column) => html`<th scope="col" role="columnheader">${column}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) =>
              html`<tr role="row">
                ${row.map(
                  (cell, at) => html`<td role="cell" data-label="${columns[at]}">${cell}</td> `,
                )}
              </tr> `,
          )}
        </tbody>
      </table>`;

/** Names and values. */
export const renderFields = (fields: readonly (readonly [name: string, value: HtmlPart])[]): Html =>
  html`<dl>
    ${fields.map(
      ([name, value]) =>
        html`<div>
          <dt>${name}</dt>
          <dd>${value}</dd>
        </div> `,
    )}
  </dl>`;

/** Lines that need attention; nothing if there are none. */
export const renderProblems = (title: string, lines: readonly string[]): HtmlPart =>
  lines.length > 0 &&
  html`<section class="problems">
    <h2>${title}</h2>
    <ul>
      ${lines.map((line) => html`<li>${line}</li> `)}
    </ul>
  </section>`;

/** The state of an object; its color is never the only sign. */
export const renderState = (state: string, tone: 'good' | 'bad' | 'open' | 'off'): Html =>
  html`<span class="state ${tone}">${state}</span>`;
