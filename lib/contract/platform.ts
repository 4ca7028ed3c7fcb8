import type { Delivery } from './task.ts';

/**
 * Whether any permit allows `delivery: vend` (`free`), or only one that states its end and its reason
 * (`exception`).
 */
export const VEND_POLICIES = ['exception', 'free'] as const;
export type VendPolicy = (typeof VEND_POLICIES)[number];

/**
 * What the chart renders for an installation that is new. An upgrade keeps what it has, and that of a chart
 * without these settings is `vend` and `free`.
 */
export const NEW_INSTALLATION: { readonly delivery: Delivery; readonly vend: VendPolicy } = {
  delivery: 'sign',
  vend: 'exception',
};

/** Source network of pods as the cloud sees it. The session policy denies requests from elsewhere. */
export type SourceRestriction =
  | { readonly mode: 'none' }
  | { readonly mode: 'podIP' }
  /** Addresses or CIDR blocks of the cluster's egress. */
  | { readonly mode: 'cidrs'; readonly cidrs: readonly string[] }
  | { readonly mode: 'vpc'; readonly vpcId: string };

/** Where the gateway sends requests that are signed for a service. */
export type CloudEndpoint = {
  /** Name that requests are signed for: `s3`, `dynamodb`. */
  readonly service: string;
  /** Absent: every region. */
  readonly region?: string;
  /** `https://host[:port]`, or `http://…` with `allowHttp`. */
  readonly url: string;
};

/** Settings of the cloud. Part of the sidecar's environment, as JSON. */
export type CloudSettings = {
  readonly region: string;
  /** Regions that the gateway signs for; absent: {@link region} alone. */
  readonly regions?: readonly string[];
  /** Endpoints that the gateway uses instead of AWS's own. */
  readonly endpoints?: readonly CloudEndpoint[];
  /** Absent: AWS's regional STS endpoint. */
  readonly stsEndpoint?: string;
  /** Whether an `http:` endpoint is accepted. */
  readonly allowHttp: boolean;
  /** PEM certificates trusted for cloud endpoints only. */
  readonly caBundle?: string;
  /** `http://host:port`, used for exchanges and calls of the gateway only. */
  readonly httpsProxy?: string;
  /** Hosts that are reached without the proxy: names, addresses, or `.suffix` of names. */
  readonly noProxy?: readonly string[];
  /** `s3`: a private cloud (Ceph RGW, MinIO) without AWS's own condition keys and ARNs. */
  readonly dialect: 'aws' | 's3';
  readonly sourceRestriction: SourceRestriction;
};

/** Limits of the sidecar's gateway. */
export type GatewaySettings = {
  /** Largest body that is read whole, because its decision or signature needs it. */
  readonly maxBodyBytes: number;
  /** Memory for all bodies that are read whole at one time. */
  readonly bufferBytes: number;
  /** Whether clients that take keys only from their environment may use the pod's UID. */
  readonly fixedKey: 'auto' | 'off';
  /** Journal lines per second above which equal calls share one line. */
  readonly journalLinesPerSecond: number;
  /** Whether journal lines hold resource names, or SHA-256 of them. */
  readonly journalResources: 'full' | 'hashed';
};

/** What the gateway needs of the platform's settings. Part of the sidecar's environment, as JSON. */
export type GatewayAccess = GatewaySettings &
  Pick<
    CloudSettings,
    | ('region' | 'regions' | 'endpoints' | 'dialect' | 'allowHttp')
    | ('caBundle' | 'httpsProxy' | 'noProxy')
  >;

/** In `accountIds`: roles of every account, including accounts of others that trust the issuer. */
export const ANY_ACCOUNT = '*';

/** Limits of the platform on task declarations. */
export type TaskLimits = {
  readonly minLifetimeSeconds: number;
  readonly maxLifetimeSeconds: number;
  /** Used where a task omits `delivery`. */
  readonly delivery: Delivery;
  /**
   * Accounts (12 digits) whose roles are allowed, or {@link ANY_ACCOUNT} alone. Empty: none, but with
   * dialect `s3` any, because roles of a private cloud need no account.
   */
  readonly accountIds: readonly string[];
  /** ARN partitions whose roles are allowed; empty: any. */
  readonly partitions: readonly string[];
  /** Whether actions without resource types may be declared, with resource `*`. */
  readonly wildcardOnlyActions: boolean;
  readonly regionWildcards: boolean;
  readonly accountWildcards: boolean;
  /** Role ARN → actions that are allowed for this role although their effect outlives the run. */
  readonly mintingActions: Readonly<Record<string, readonly string[]>>;
};

/** Kubernetes quantities. */
export type SidecarResources = {
  readonly memory: string;
  readonly cpu: string;
};

/** Changes of the sidecar that other mutating webhooks may make. */
export type AllowedChanges = {
  /** Images, by digest, that may replace the sidecar's. */
  readonly images: readonly string[];
  /** Names of environment variables that may be added. */
  readonly env: readonly string[];
  /** Upper bounds for resources; absent: no change is allowed. */
  readonly maxResources?: SidecarResources;
};

/** Rules of docs/admission.md from which the platform may exempt a namespace. */
export const EXEMPTIBLE_RULES = ['1', '3', '4', '7', '8', '9', '10'] as const;

/** Violations of this rule are warnings in this namespace. */
export type RuleExemption = {
  readonly namespace: string;
  readonly rule: (typeof EXEMPTIBLE_RULES)[number];
};

/**
 * A container that a controller adds to its pods. The name alone proves nothing, because a pod author
 * chooses it: image and creator must match too.
 */
export type ApiTokenContainer = {
  readonly name: string;
  /** Its image without tag and digest. */
  readonly image: string;
  /** User name of the controller that creates the pod. */
  readonly createdBy: string;
};

/** An issuer of ID tokens for the users for whom agents act. */
export type UserIssuer = {
  /** `iss` of its tokens, compared exactly. */
  readonly issuer: string;
  readonly jwksUri: string;
  /** Required `aud` of its tokens: an audience that only the authority uses. */
  readonly audience: string;
  /** PEM certificates trusted for `jwksUri`. */
  readonly caBundle?: string;
  /** How the API server names these users, if it accepts this issuer too; absent: not known. */
  readonly kubernetesName?: KubernetesNameMapping;
};

/** `--oidc-username-claim` and `--oidc-username-prefix` of the API server, or its AuthenticationConfiguration. */
export type KubernetesNameMapping = {
  /** `email` names no one unless `email_verified` is true. */
  readonly claim: 'sub' | 'email';
  /** Put before the claim, as the API server does; empty: nothing. */
  readonly prefix: string;
};

/** A service that pushes security events (RFC 8417), which can only revoke. */
export type SignalTransmitter = {
  /** `iss` of its tokens, compared exactly. */
  readonly issuer: string;
  readonly jwksUri: string;
  /** Required `aud` of its tokens. */
  readonly audience: string;
  /** PEM certificates trusted for `jwksUri`. */
  readonly caBundle?: string;
};

/** What a human is asked, and who may answer. */
export type ApprovalSettings = {
  /** How long a request can be approved and used. */
  readonly lifetimeSeconds: number;
  /** How long a call waits for people before it is refused; 0: not at all. */
  readonly holdSeconds: number;
  /** Whether users who may create pods in a namespace may not approve requests there. */
  readonly separateDuties: boolean;
  /** Whether an agent may ask for a user only if that user's name at the API server is known. */
  readonly requireSeparation: boolean;
  /** A webhook that is called for each new request; absent: none. */
  readonly notify?: {
    readonly url: string;
    /** Of the namespace of Secrets of Upstreams: its key `key` signs. */
    readonly secretName: string;
    /** PEM certificates trusted for `url`. */
    readonly caBundle?: string;
  };
};

/** Settings of `trust: authority`. */
export type AuthoritySettings = {
  /** URL that sidecars connect to: `https://host[:port]`. */
  readonly endpoint: string;
  /** `iss` of grants: an https URL without a trailing slash. Its documents are published below it. */
  readonly issuer: string;
  /** SPIFFE trust domain. */
  readonly trustDomain: string;
  /** `aud` of grants. */
  readonly cloudAudience: string;
  readonly algorithm: 'ES256' | 'RS256';
  /** Params that become session tags, in addition to namespace, service account, task and run. */
  readonly tagParams: readonly string[];
  readonly users: {
    readonly issuers: readonly UserIssuer[];
    readonly maxTokenLifetimeSeconds: number;
  };
  /** See {@link AuthorityAccess.disconnectTimeoutSeconds}. */
  readonly disconnectTimeoutSeconds?: number;
  /** Runs are denied when the policy watch has received no update for this long. */
  readonly policyMaxStalenessSeconds: number;
  readonly approvals: ApprovalSettings;
  /** Roles and Upstreams of tasks that runs of other roles may delegate to. */
  readonly delegableRoles: readonly string[];
  /** Patterns of resources that no agent has a reason to use. */
  readonly canaries: readonly string[];
  readonly signals: { readonly transmitters: readonly SignalTransmitter[] };
  /** Deny list at the cloud for sessions that ended; absent: none. */
  readonly denyList?: {
    /** Assumed with the authority's own grant; may put inline policies on `roles`. */
    readonly revokerRole: string;
    /** IAM endpoint of a private cloud; absent: AWS's own. */
    readonly iamEndpoint?: string;
    /** ARNs of the roles that the deny list is written to. */
    readonly roles: readonly string[];
  };
  /** The bucket to which the authority writes the issuer's documents; absent: it does not. */
  readonly publisher?: {
    readonly role: string;
    readonly bucket: string;
    /** Key prefix, without leading and trailing slashes; empty: none. */
    readonly prefix: string;
    /** S3 endpoint of a private cloud; absent: AWS's own. */
    readonly s3Endpoint?: string;
  };
  /** The bucket to which the authority copies its closed audit files; absent: it does not. */
  readonly auditExport?: {
    readonly role: string;
    readonly bucket: string;
    /** Key prefix, without leading and trailing slashes; empty: none. */
    readonly prefix: string;
    /** S3 endpoint of a private cloud; absent: AWS's own. */
    readonly endpoint?: string;
    /** Absent: that of the cloud. */
    readonly region?: string;
  };
};

/** The platform's settings: one file, written by the chart. Passed as a whole. */
export type Platform = {
  readonly trust: 'authority' | 'cluster';
  readonly sidecar: {
    readonly image: string;
    readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
    /** Audience of the projected service account token. */
    readonly audience: string;
    readonly resources: SidecarResources;
    readonly allowedChanges: AllowedChanges;
    /** Secrets for pulling the sidecar's image, added to pods that do not name them. Absent: none. */
    readonly imagePullSecrets?: readonly string[];
    /** Where sidecars send spans. Absent: they send none. */
    readonly tracing?: { readonly endpoint: string; readonly samplerRatio: number };
  };
  readonly cloud: CloudSettings;
  readonly tasks: TaskLimits;
  readonly gateway: GatewaySettings;
  /** How TaskPolicies decide. Under `trust: cluster` there are none, and `vend` is `free`. */
  readonly policy: { readonly vend: VendPolicy };
  readonly pods: {
    /** Containers that are consumers only if a task names them. */
    readonly ignoredContainers: readonly string[];
    /** Whether a pod that sets `automountServiceAccountToken: true` itself keeps its API token. */
    readonly allowApiToken: boolean;
    /** Containers of controllers that keep the API token in a pod whose others lose it. Absent: none. */
    readonly apiTokenContainers?: readonly ApiTokenContainer[];
    /** Namespaces whose pods must meet level `baseline` of rule 4 instead of `restricted`. */
    readonly baselineNamespaces: readonly string[];
    readonly ruleExemptions: readonly RuleExemption[];
    /** Members may add ephemeral containers to injected pods; absent: no one may. */
    readonly breakGlassGroup?: string;
    /** Whether variables that break SDKs, such as AWS_PROFILE, refuse a new pod instead of a warning. */
    readonly strictEnvironment: boolean;
    /** Whether pods with tasks may have credentials of Azure and Google, with a warning. Never of AWS. */
    readonly otherClouds: 'refuse' | 'allow';
    /** Whether keys of other services in pods with tasks are warnings. Beside a task's client never. */
    readonly foreignKeys: 'warn' | 'refuse';
    /** Further audiences for which pods with tasks must not project tokens. */
    readonly protectedAudiences: readonly string[];
  };
  /** Present if and only if `trust` is `authority`. */
  readonly authority?: AuthoritySettings;
};
