import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs';

/**
 * Reads an annotation of a policy; undefined if it has none. Cedar returns null for an annotation without a
 * text, although its types exclude null: it is an empty text here.
 */
export const readAnnotation = (
  { annotations = {} }: PolicyJson,
  name: string,
): string | undefined => (Object.hasOwn(annotations, name) ? (annotations[name] ?? '') : undefined);

const ANNOTATION = /"(?:[^"\\]|\\[^])*"|@\s*(\w+)/g;

/** The offset of an annotation in the text of its policy. */
export const findAnnotation = (text: string, name: string): number =>
  Array.from(text.matchAll(ANNOTATION)).find(([, found]) => found === name)?.index ?? 0;
