/** Header with the ID of a request: of the sidecar's exchanges, and of every answer of webhook and authority. */
export const REQUEST_ID_HEADER = 'x-request-id';

/** UUIDs, ULIDs and hexadecimal IDs. Longer or other text of a client reaches neither logs nor records. */
const REQUEST_ID = /^[A-Za-z0-9][A-Za-z0-9_-]{7,63}$/;

/** Whether a value that a client sent may be used as the ID of its request. */
export const isRequestId = (value: unknown): value is string =>
  typeof value === 'string' && REQUEST_ID.test(value);
