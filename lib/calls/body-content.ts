import { createHash } from 'node:crypto';

import type { RequestField } from '../contract/approvals.ts';
import { InputError } from '../operations/input-error.ts';
import { parseBody, parseForm } from '../operations/request-body.ts';
import { canonicalizeJson } from '../schema/canonical-json.ts';

/** A body, as the hash of its call states it, and for people what it contains. */
export type HashedBody = (
  | { readonly members: string }
  /** SHA-256, hex. */
  | { readonly bytes: string }
  | { readonly none: true }
) & { readonly fields?: readonly RequestField[] };

/** Larger bodies are compared byte by byte: parsed, they would need a multiple of their memory. */
const MAX_PARSED_BYTES = 1024 * 1024;

const sha256 = (data: string | Uint8Array): string =>
  createHash('sha256').update(data).digest('hex');

/**
 * Hashes the body of an AWS call by its members, without those that an SDK fills again for each call; other formats by
 * their bytes.
 *
 * @param headers with lower-case names
 * @param tokens names of the members that the model of the operation marks as `idempotencyToken`
 */
export const hashAwsBody = (
  body: Uint8Array,
  { headers, tokens }: { headers: ReadonlyMap<string, string>; tokens: readonly string[] },
): HashedBody => {
  if (body.length === 0) return { none: true };
  return (
    (body.length <= MAX_PARSED_BYTES ? hashMembers(body, headers, tokens) : undefined) ?? {
      bytes: sha256(body),
    }
  );
};

/** Hashes members that were parsed already, as those of an MCP message. */
export const hashJson = (value: unknown): HashedBody => hashTagged(tag(value));

/** Hashes a body whose format has no rules for what is equal. */
export const hashBytes = (body: Uint8Array): HashedBody =>
  body.length === 0 ? { none: true } : { bytes: sha256(body) };

const hashMembers = (
  body: Uint8Array,
  headers: ReadonlyMap<string, string>,
  tokens: readonly string[],
): HashedBody | undefined => {
  try {
    const form = parseForm(headers, body);
    const parsed = form === undefined ? readTagged(headers, body) : tag(Object.fromEntries(form));
    if (typeof parsed !== 'object' || parsed === null) return undefined;
    // It has no members, and is no object with the members 0, 1, …
    if (Array.isArray(parsed)) return hashTagged(parsed);
    return hashTagged(
      Object.fromEntries(Object.entries(parsed).filter(([name]) => !tokens.includes(name))),
    );
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
};

/**
 * Parses a body, with its values as tagged texts. Numbers of JSON stay as they are written: two that are the same
 * double are not the same call.
 *
 * @throws InputError
 */
const readTagged = (headers: ReadonlyMap<string, string>, body: Uint8Array): unknown => {
  const value = parseBody(headers, body);
  if (/cbor/i.test(headers.get('content-type') ?? '')) return tag(value);
  const text = Buffer.from(body).toString('utf8');
  return tag(JSON.parse(text, keepNumber as (key: string, value: unknown) => unknown));
};

/** A number of JSON, as its text says it. */
class WrittenNumber {
  readonly source: string;
  constructor(source: string) {
    this.source = source;
  }
}

const keepNumber = (_key: string, value: unknown, { source = '' }: { source?: string }): unknown =>
  typeof value === 'number' ? new WrittenNumber(source) : value;

/** @throws InputError for a number that another one could be read as */
const tag = (value: unknown): unknown => {
  if (typeof value === 'string') return `text ${value}`;
  if (value instanceof WrittenNumber) return `number ${value.source}`;
  if (value instanceof Uint8Array) return `bytes ${sha256(value)}`;
  if (typeof value === 'number') {
    if (!Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value))) {
      throw new InputError('expected a number that a double holds exactly');
    }
    return `number ${value}`;
  }
  if (Array.isArray(value)) return value.map(tag);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, tag(inner)]));
};

const hashTagged = (tagged: unknown): HashedBody => ({
  members: sha256(canonicalizeJson(tagged)),
  fields: listFields(tagged),
});

/** More would not be shown. */
const MAX_FIELDS = 64;

/** @returns each value by its JSON pointer (RFC 6901); a last one states how many more there are */
const listFields = (tagged: unknown): readonly RequestField[] => {
  const found: RequestField[] = [];
  let count = 0;
  const walk = (value: unknown, at: string): void => {
    if (typeof value === 'object' && value !== null) {
      for (const [name, inner] of Object.entries(value)) {
        walk(inner, `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
      }
      return;
    }
    count += 1;
    if (count > MAX_FIELDS) return;
    const text = typeof value === 'string' ? value.slice(value.indexOf(' ') + 1) : String(value);
    found.push({ name: at, value: text });
  };
  walk(tagged, '');
  return count > MAX_FIELDS
    ? [...found, { name: '…', value: `${count - MAX_FIELDS} more` }]
    : found;
};
