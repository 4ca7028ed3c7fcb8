import { createHash } from 'node:crypto';
import { canonicalizeJson } from '../schema/canonical-json.ts';
import type { JsonObject } from './messages.ts';

/** What a model sees of a tool and acts by. */
const PINNED_MEMBERS = [
  'name',
  'title',
  'description',
  'inputSchema',
  'outputSchema',
  'annotations',
] as const;

/** The part of a listed tool that its digest covers. Of a pinned tool, nothing else is shown. */
export const selectPinnedMembers = (tool: JsonObject): JsonObject =>
  Object.fromEntries(
    PINNED_MEMBERS.filter((name) => Object.hasOwn(tool, name)).map((name) => [name, tool[name]]),
  );

/**
 * Digest of a listed tool: `sha256:` and the hexadecimal SHA-256 of the canonical JSON (RFC 8785) of its
 * name, title, description, schemas and annotations.
 *
 * @returns undefined for a tool without canonical form, such as text that is no Unicode
 */
export const digestTool = (tool: JsonObject): string | undefined => {
  try {
    const text = canonicalizeJson(selectPinnedMembers(tool));
    return `sha256:${createHash('sha256').update(text).digest('hex')}`;
  } catch {
    return undefined;
  }
};
