/** One set of values, and what must come of it. */
export type ChartCase = {
  readonly name: string;
  readonly values: object;
  /** `kind/name` that this switch adds, beyond what the defaults render. */
  readonly adds?: readonly string[];
  /** `kind/name` that this switch takes away. */
  readonly removes?: readonly string[];
  /** Object, path, value. The object `Platform` is the settings as the webhook reads them. */
  readonly fields?: readonly (readonly [object: string, path: string, value: unknown])[];
  /** What the notes must say. */
  readonly notes?: readonly string[];
};

/** Values that the schema refuses, and what Helm must name. */
export type ChartRejection = {
  readonly name: string;
  readonly values: object;
  readonly names: string;
};
