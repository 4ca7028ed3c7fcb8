import type { Shape } from './operation-resources.ts';

/** Protocol `ec2` writes names of fields with a capital letter. */
const toFieldName = (name: string): string => `${name.slice(0, 1).toUpperCase()}${name.slice(1)}`;

/**
 * Lists the members of an input that the model marks as idempotency tokens, by their names in requests: of the
 * body, the form, the query or, in lower case, the headers. SDKs fill them with a new random value for each call.
 */
export const listTokens = ({ members = {} }: Shape, protocol: string): readonly string[] =>
  Object.entries(members)
    .filter(([, { idempotencyToken }]) => idempotencyToken === true)
    .map(([name, { locationName = name, location, queryName }]) => {
      if (location === 'header') return locationName.toLowerCase();
      return protocol === 'ec2' ? (queryName ?? toFieldName(locationName)) : locationName;
    })
    .sort();
