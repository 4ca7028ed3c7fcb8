/** The namespace of upstream secrets in the cases: the administrator creates it before the installation. */
export const SECRETS_NAMESPACE = 'valetkey-trial-secrets';

/** A set of values and the expected rendering. */
export type ChartCase = {
  readonly name: string;
  readonly values: object;
  /** `kind/name` that this switch adds, in addition to the defaults. */
  readonly adds?: readonly string[];
  /** `kind/name` that this switch removes. */
  readonly removes?: readonly string[];
  /** Object, path and value. The object `Platform` is the platform settings as the webhook reads them. */
  readonly fields?: readonly (readonly [object: string, path: string, value: unknown])[];
  /** Texts of the API server's warnings. Any other warning is a fault. */
  readonly warnings?: readonly string[];
  /** What the API server of the cluster of `make e2e` lacks, so that it does not validate the rendering. */
  readonly missing?: string;
  /** Texts that the notes must contain. */
  readonly notes?: readonly string[];
};

/** Values that the schema rejects, and the name that Helm's error must contain. */
export type ChartRejection = {
  readonly name: string;
  readonly values: object;
  readonly names: string;
};
