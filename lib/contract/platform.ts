/** How the pod's network looks from the cloud; the session policy refuses every other origin. */
export type SourceRestriction =
  | { readonly mode: 'none' }
  | { readonly mode: 'podIP' }
  /** Addresses or CIDR blocks that the cluster's egress uses. */
  | { readonly mode: 'cidrs'; readonly cidrs: readonly string[] }
  | { readonly mode: 'vpc'; readonly vpcId: string };

/** What a sidecar needs to know of the cloud; travels as JSON in its environment. */
export type CloudSettings = {
  readonly region: string;
  /** Absent: AWS's regional STS endpoint. */
  readonly stsEndpoint?: string;
  /** An `http:` endpoint is refused without it. */
  readonly allowHttp: boolean;
  /** PEM certificates trusted for cloud endpoints only. */
  readonly caBundle?: string;
  /** `http://host:port`, used for exchanges only. */
  readonly httpsProxy?: string;
  /** `s3`: a private cloud (Ceph RGW, MinIO) without AWS's own condition keys and ARNs. */
  readonly dialect: 'aws' | 's3';
  readonly bind: SourceRestriction;
};

/** What the platform allows task declarations to say. */
export type TaskLimits = {
  readonly minLifetimeSeconds: number;
  readonly maxLifetimeSeconds: number;
  /** Used where a task omits `delivery`. */
  readonly delivery: 'vend';
  /** 12-digit account ids a role may be of; empty: any. */
  readonly accountIds: readonly string[];
  /** ARN partitions a role may be of; empty: any. */
  readonly partitions: readonly string[];
  /** Actions that no resource can narrow may be declared with resource `*`. */
  readonly wildcardOnlyActions: boolean;
  readonly regionWildcards: boolean;
  readonly accountWildcards: boolean;
  /** Role ARN → actions that mint longer-lived credentials and are allowed for it all the same. */
  readonly mintingActions: Readonly<Record<string, readonly string[]>>;
};

/** Amounts as Kubernetes writes quantities. */
export type SidecarResources = {
  readonly memory: string;
  readonly cpu: string;
};

/** What other mutators may do to the sidecar. */
export type AllowedChanges = {
  /** Exact images, by digest, that may replace ours. */
  readonly images: readonly string[];
  /** Extra environment names. */
  readonly env: readonly string[];
  /** Largest amounts that another mutator may set; absent: ours exactly. */
  readonly maxResources?: SidecarResources;
};

/** Rules of docs/admission.md from which the platform may except a namespace. */
export const EXEMPTIBLE_RULES = ['1', '3', '4', '7', '8', '9', '10'] as const;

/** Breaches of this rule are warnings in this namespace. */
export type RuleExemption = {
  readonly namespace: string;
  readonly rule: (typeof EXEMPTIBLE_RULES)[number];
};

/** An issuer of ID tokens for the humans on whose behalf agents act. */
export type UserIssuer = {
  /** Exact `iss`. */
  readonly issuer: string;
  readonly jwksUri: string;
  /** `aud` that its tokens must have; the authority's own. */
  readonly audience: string;
  /** PEM certificates trusted for `jwksUri`. */
  readonly caBundle?: string;
};

/** What holds under `trust: authority` only. */
export type AuthoritySettings = {
  /** Where sidecars reach it: `https://host[:port]`. */
  readonly endpoint: string;
  /** `iss` of grants: an https URL without a slash at its end; its documents stand below it. */
  readonly issuer: string;
  /** SPIFFE trust domain. */
  readonly trustDomain: string;
  /** `aud` of grants. */
  readonly cloudAudience: string;
  readonly algorithm: 'ES256' | 'RS256';
  /** Params that become session tags, beside namespace, service account, task and run. */
  readonly tagParams: readonly string[];
  readonly users: {
    readonly issuers: readonly UserIssuer[];
    readonly maxTokenLifetimeSeconds: number;
  };
  /** See {@link AuthorityAccess.maxSilenceSeconds}. */
  readonly disconnectTimeoutSeconds?: number;
  /** A policy watch that heard nothing for so long refuses. */
  readonly policyMaxStalenessSeconds: number;
  /** Denial of ended sessions at the cloud; absent: none. */
  readonly denial?: {
    /** Assumed by the authority's own grant; may put inline policies on `roles`. */
    readonly revokerRole: string;
    /** IAM endpoint of a private cloud; absent: AWS's own. */
    readonly iamEndpoint?: string;
    /** Role ARNs that opt in. */
    readonly roles: readonly string[];
  };
  /** The issuer's documents are written to a bucket; absent: not by us. */
  readonly publisher?: {
    readonly role: string;
    readonly bucket: string;
    /** Key prefix, without slashes at its ends; empty: none. */
    readonly prefix: string;
    /** S3 endpoint of a private cloud; absent: AWS's own. */
    readonly s3Endpoint?: string;
  };
};

/** The platform's settings: one file, written by the chart, read whole, passed whole. */
export type Platform = {
  readonly trust: 'authority' | 'cluster';
  readonly sidecar: {
    readonly image: string;
    readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
    /** Of the projected service-account token. */
    readonly audience: string;
    readonly resources: SidecarResources;
    readonly accept: AllowedChanges;
  };
  readonly cloud: CloudSettings;
  readonly tasks: TaskLimits;
  readonly pods: {
    /** Containers that are no consumers unless a task names them. */
    readonly ignoredContainers: readonly string[];
    /** Whether a pod that itself writes `automountServiceAccountToken: true` keeps its API token. */
    readonly allowApiToken: boolean;
    /** Namespaces whose pods are held to level `baseline` of rule 4 instead of `restricted`. */
    readonly baselineNamespaces: readonly string[];
    readonly exceptions: readonly RuleExemption[];
    /** Its members may add ephemeral containers to injected pods; absent: nobody may. */
    readonly breakGlassGroup?: string;
    /** Audiences that pods with tasks may not project tokens for, beside those that are known. */
    readonly protectedAudiences: readonly string[];
  };
  /** There if, and only if, `trust` is `authority`. */
  readonly authority?: AuthoritySettings;
};
