import { escapeInvisible } from '../../../lib/schema/field-error.ts';

/** Markup that is safe to send: only `html` makes it. */
export type Html = { readonly markup: string };

/** What a template may contain. Nothing is shown for `undefined` and `false`. */
export type HtmlPart = Html | string | number | undefined | false | readonly HtmlPart[];

/**
 * A template of HTML. Every text in it is escaped, for element content and for quoted attributes alike; control,
 * bidirectional and other invisible characters are shown as `\u{…}`. Only the result of another template is
 * inserted as it is.
 */
export const html = (
  strings: Readonly<TemplateStringsArray>,
  ...parts: readonly HtmlPart[]
): Html => ({
  markup: strings.map((text, at) => text + renderPart(parts[at])).join(''),
});

const renderPart = (part: HtmlPart): string => {
  if (part === undefined || part === false) return '';
  if (typeof part === 'string') return escapeText(part);
  if (typeof part === 'number') return String(part);
  return isList(part) ? part.map(renderPart).join('') : part.markup;
};

const isList = (part: Html | readonly HtmlPart[]): part is readonly HtmlPart[] =>
  Array.isArray(part);

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escapeText = (text: string): string =>
  escapeInvisible(text).replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');

/** Renders a text with its line breaks; every other invisible character is escaped. */
export const renderLines = (text: string): Html => ({
  markup: text.split(/\r?\n/).map(escapeText).join('\n'),
});
