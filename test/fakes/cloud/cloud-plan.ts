/** An OpenID Connect issuer whose tokens this cloud accepts, as IAM registers one. */
export type IdentityProvider = {
  /** `iss`, exactly; its discovery document is fetched from below it. */
  readonly issuer: string;
  /** Audiences that its tokens may be for. */
  readonly audiences: readonly string[];
  /** PEM: what its documents are fetched by, over https; absent: the public authorities. */
  readonly roots?: () => string;
};

/** A role as it is created: both policies are JSON texts. */
export type RolePlan = {
  readonly arn: string;
  readonly trustPolicy: string;
  readonly policy: string;
  /** Default: one hour, as at AWS. */
  readonly maxSessionSeconds?: number;
};

/** Bucket name → key → content. */
export type BucketPlan = Readonly<Record<string, Readonly<Record<string, string>>>>;

export type CloudPlan = {
  readonly region: string;
  /** IPv4 address to listen on. Default: loopback, to which the gateway sends nothing. */
  readonly host?: string;
  readonly providers: readonly IdentityProvider[];
  readonly roles: readonly RolePlan[];
  readonly buckets: BucketPlan;
  /** Wall-clock milliseconds. */
  readonly now: () => number;
};
