import { createHash } from 'node:crypto';

import { boundText } from '../audit/bounded-text.ts';
import type { RequestField } from '../contract/approvals.ts';
import {
  MAX_CONTENT_FIELDS,
  MAX_CONTENT_NAME_LENGTH,
  MAX_CONTENT_VALUE_LENGTH,
  type CallContent,
} from '../contract/authority-api.ts';
import type { Permission } from '../operations/operation.ts';
import { canonicalizeJson } from '../schema/canonical-json.ts';
import type { HashedBody } from './body-content.ts';

/** What a call does, as far as its hash must show it. */
export type DescribableCall = {
  /** Where it goes: scheme, host and port. */
  readonly origin: string;
  /** Of AWS: an ARN need not name it, and one address may serve several. */
  readonly region?: string;
  readonly method: string;
  /** As it is sent: an encoded slash can be another path than a slash. */
  readonly path: string;
  /** In the order that counts: some servers take the first of two parameters of one name, others the last. */
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly headers: ReadonlyMap<string, string>;
  readonly body: HashedBody;
  /** All that the call needs. */
  readonly permissions: readonly Permission[];
};

/** For the mark that boundText puts after a text that it cuts. */
const MARK = 96;
/** Characters of all fields: a gated call has 16 KiB, with its permissions and arguments. */
const MAX_FIELDS_LENGTH = 5 * 1024;

/** Whose values are never shown to people: keys for the encryption of objects, codes, passwords. */
const SECRET =
  /(?:customer-key|x-amz-mfa|password|passphrase|passwd|secret(?:string|binary|key|value)?|private[-_]?key|api[-_]?key|token|credentials?)$/i;

const toField = (name: string, value: string): RequestField => ({
  name: boundText(name, MAX_CONTENT_NAME_LENGTH - MARK),
  value: SECRET.test(name) ? '[not shown]' : boundText(value, MAX_CONTENT_VALUE_LENGTH - MARK),
});

/** As many fields as fit; a last one states how many more there are. */
const limitFields = (all: readonly RequestField[]): readonly RequestField[] => {
  let length = 0;
  const count = all.findIndex((field, index) => {
    length += JSON.stringify(field).length + 1;
    return length > MAX_FIELDS_LENGTH || index === MAX_CONTENT_FIELDS - 1;
  });
  if (count < 0) return all;
  return [...all.slice(0, count), { name: '…', value: `${all.length - count} more` }];
};

/** Hashes a call, so that people approve exactly this one. The order of headers does not count. */
export const buildCallContent = (parts: DescribableCall): CallContent => {
  const { origin, region, method, path, query, body } = parts;
  const headers = [...parts.headers].sort(compareEntries);
  const permissions = parts.permissions.map(({ action, resource, within }) => ({
    action,
    ...(resource !== undefined && { resource }),
    ...(within !== undefined && { within }),
  }));
  const { fields = [], ...hashed } = body;
  const place = { origin, ...(region !== undefined && { region }) };
  const facts = { ...place, method, path, query, headers, body: hashed, permissions };
  const shown = [
    ...Object.entries(place).map(([name, value]) => toField(name, value)),
    ...query.map(([name, value]) => toField(`query ${name}`, value)),
    ...headers.map(([name, value]) => toField(`header ${name}`, value)),
    ...fields.map(({ name, value }) => toField(name, value)),
    ...('bytes' in hashed ? [{ name: 'SHA-256 of the body', value: hashed.bytes }] : []),
  ];
  return {
    sha256: createHash('sha256').update(canonicalizeJson(facts)).digest('hex'),
    fields: limitFields(shown),
  };
};

/** Sorts names and values, where their order means nothing. */
export const compareEntries = (
  one: readonly [string, string],
  other: readonly [string, string],
): number => (JSON.stringify(one) < JSON.stringify(other) ? -1 : 1);
