export type Mapping = Readonly<Record<string, unknown>>;

/** Whether a foreign value is an object with members: neither null nor a list. */
export const isMapping = (value: unknown): value is Mapping =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The value if it is a mapping; an empty mapping in place of anything else. */
export const toMapping = (value: unknown): Mapping => (isMapping(value) ? value : {});
