import type { ConsoleContext } from './console-context.ts';
import { html, type Html } from './html.ts';
import type { FormTarget } from './session.ts';

export type FormContext = Pick<ConsoleContext, 'session'>;

/** Renders a form that posts to a path of this session, about one object. */
export const renderForm = ({ session }: FormContext, target: FormTarget, fields: Html): Html =>
  html`<form method="post" action="/${session.key}${target.path}">
    <input type="hidden" name="csrf" value="${session.buildCsrfToken(target)}" />
    <input type="hidden" name="uid" value="${target.uid}" />
    ${fields}
  </form>`;

/** Of every object that keeps a reason. */
const MAX_REASON = 256;

/** @param id unique on the page */
export const renderReasonField = (
  id: string,
  { isRequired }: { readonly isRequired: boolean },
): Html =>
  html`<p>
    <label for="${id}">Reason${!isRequired && ' (optional)'}</label>
    <input
      id="${id}"
      name="reason"
      maxlength="${MAX_REASON}"
      autocomplete="off"
      ${isRequired && html`required`}
    />
  </p>`;

/** Reads a field that may be left empty. */
export const readOptional = (form: URLSearchParams, name: string): string | undefined => {
  const given = form.get(name) ?? '';
  return given === '' ? undefined : given;
};
