import type { HttpClient } from './task.ts';

/**
 * The sidecar's environment. The injected spec sets each variable explicitly. No name ends in `_PORT`
 * or `_SERVICE_HOST`, because a Service in the pod's namespace could set those.
 */
export const SIDECAR_ENV = {
  /** JSON of {@link AdmittedTasks}. */
  tasks: 'VALETKEY_TASKS',
  /** SHA-256, hex, of the canonical injection template of this sidecar. */
  injectionTemplate: 'VALETKEY_INJECTION_TEMPLATE',
  trust: 'VALETKEY_TRUST',
  podName: 'VALETKEY_POD_NAME',
  podNamespace: 'VALETKEY_POD_NAMESPACE',
  podUid: 'VALETKEY_POD_UID',
  /** Addresses of the pod, one per IP family, separated by commas; the first is the primary one. */
  podIps: 'VALETKEY_POD_IPS',
  /** Under `trust: cluster`: JSON of {@link CloudSettings}. */
  cloud: 'VALETKEY_CLOUD',
  /** Under `trust: authority`: JSON of {@link AuthorityAccess}. */
  authority: 'VALETKEY_AUTHORITY',
  tokenFile: 'VALETKEY_TOKEN_FILE',
  /** Directory with one directory per consumer. */
  consumersFolder: 'VALETKEY_CONSUMERS_FOLDER',
  /** `host:port` of the credentials endpoint. */
  loopback: 'VALETKEY_LOOPBACK_LISTEN',
  /** `host:port` of probes and metrics; an empty host: the pod's address. */
  telemetry: 'VALETKEY_TELEMETRY_LISTEN',
  /** JSON of {@link GatewayAccess}. */
  gateway: 'VALETKEY_GATEWAY',
  /** `host:port` of the gateway. */
  gatewayListen: 'VALETKEY_GATEWAY_LISTEN',
} as const;

/** Variables that every consumer gets. */
export const CONSUMER_ENV = {
  socket: 'VALETKEY_SOCKET',
  credentialsUri: 'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  authorizationTokenFile: 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  metadataDisabled: 'AWS_EC2_METADATA_DISABLED',
  region: 'AWS_REGION',
  defaultRegion: 'AWS_DEFAULT_REGION',
} as const;

/** Variables of consumers whose AWS tasks the gateway signs. */
export const SIGN_CONSUMER_ENV = {
  gatewaySocket: 'VALETKEY_GATEWAY_SOCKET',
  endpointUrl: 'AWS_ENDPOINT_URL',
  /** Some operations would go to `<prefix>.127.0.0.1`. */
  hostPrefix: 'AWS_DISABLE_HOST_PREFIX_INJECTION',
  /** S3 Express signs with keys of its own session, which the gateway does not know. */
  expressSession: 'AWS_S3_DISABLE_EXPRESS_SESSION_AUTH',
  /** The gateway knows SigV4 alone. */
  authScheme: 'AWS_AUTH_SCHEME_PREFERENCE',
} as const;

/** Variables of consumers with a task of provider `postgres`: those of libpq. */
export const DATABASE_CONSUMER_ENV = { host: 'PGHOST', port: 'PGPORT', user: 'PGUSER' } as const;

/** Where clients of a preset look for their key: the fixed key where it is on, else what the container sets. */
export const CLIENT_KEY_ENV: Readonly<Partial<Record<HttpClient, string>>> = {
  openai: 'OPENAI_API_KEY',
  anthropic: 'ANTHROPIC_API_KEY',
  vault: 'VAULT_TOKEN',
};

/** The webhook's environment, written by the chart. */
export const WEBHOOK_ENV = {
  /** YAML file that holds the {@link Platform}. */
  platformFile: 'VALETKEY_PLATFORM_FILE',
  /** Namespace of the webhook. */
  namespace: 'VALETKEY_NAMESPACE',
  podName: 'VALETKEY_POD_NAME',
  /** Name of its Service: its certificate is for `<service>.<namespace>.svc`. */
  service: 'VALETKEY_SERVICE',
  /** Name of both webhook configurations, mutating and validating. */
  configuration: 'VALETKEY_CONFIGURATION',
  /** `own` (self-signed CA in a Secret) or `files` (cert-manager renews them). */
  certificates: 'VALETKEY_CERTIFICATES',
  /** Under `own`: the Secret that holds the CA. */
  caSecret: 'VALETKEY_CA_SECRET',
  /** Under `files`: directory with tls.crt and tls.key. */
  certificatesFolder: 'VALETKEY_CERTIFICATES_FOLDER',
  /** `host:port`, HTTPS. */
  listen: 'VALETKEY_LISTEN',
  /** `host:port`, HTTP: probes and metrics. */
  telemetry: 'VALETKEY_TELEMETRY_LISTEN',
  /** File with the level of the log, read again while the program runs. */
  logLevelFile: 'VALETKEY_LOG_LEVEL_FILE',
} as const;

/** Tracing of every program, by the names of OpenTelemetry's specification. */
export const TRACING_ENV = {
  /** `http(s)://host:port` of a collector; empty: tracing is off. */
  endpoint: 'OTEL_EXPORTER_OTLP_ENDPOINT',
  /** Share of the traces that is kept, from 0 to 1. */
  samplerRatio: 'OTEL_TRACES_SAMPLER_ARG',
} as const;

/** Level of the log of webhook and authority where no file states one. The chart does not set it. */
export const LOG_LEVEL_ENV = 'VALETKEY_LOG_LEVEL';

/** Settings of the webhook that the chart does not set. */
export const WEBHOOK_TUNING_ENV = {
  /** `kubernetes`; or `none`, for the demo and development: no API server is used. */
  cluster: 'VALETKEY_CLUSTER',
  /** Kubeconfig file for the demo and development; empty: in-cluster configuration. */
  kubeconfig: 'VALETKEY_KUBECONFIG',
  /** Under `own`: lifetime of a CA. It is published for a third of it before it signs, for another third. */
  authorityLifetime: 'VALETKEY_CA_LIFETIME',
  /** Under `own`: lifetime of a replica's certificate, renewed after two thirds. */
  leafLifetime: 'VALETKEY_LEAF_LIFETIME',
} as const;

/** Where the chart mounts the platform's settings. */
export const PLATFORM_FILE = '/etc/valetkey/platform.yaml';
/** Beside them: names of the files with the levels of the logs. They require no rollout. */
export const LOG_LEVEL_FILES = {
  webhook: 'webhook.log-level',
  authority: 'authority.log-level',
} as const;

/** The authority's environment, written by the chart. */
export const AUTHORITY_ENV = {
  /** YAML file that holds the {@link Platform}. */
  platformFile: 'VALETKEY_PLATFORM_FILE',
  namespace: 'VALETKEY_NAMESPACE',
  /** Name of this replica and of its audit chain. */
  podName: 'VALETKEY_POD_NAME',
  /** Secret with the CA of its serving certificates. */
  caSecret: 'VALETKEY_CA_SECRET',
  /** Secret with the grant signing keys. */
  keysSecret: 'VALETKEY_KEYS_SECRET',
  /** Secret with the long-lived key of checkpoints and the key of run IDs. */
  auditSecret: 'VALETKEY_AUDIT_SECRET',
  /** Namespace of the Secrets that Upstreams name; empty: Upstreams cannot name any. */
  secretsNamespace: 'VALETKEY_SECRETS_NAMESPACE',
  /** Directory of the append-only audit files; empty: standard output only. */
  auditFolder: 'VALETKEY_AUDIT_FOLDER',
  /** Size of their volume, a Kubernetes quantity. */
  auditVolumeBytes: 'VALETKEY_AUDIT_VOLUME_SIZE',
  /** Size and age at which the oldest files are removed; empty: 70 % of the volume; never. */
  auditMaxBytes: 'VALETKEY_AUDIT_MAX_BYTES',
  auditRetain: 'VALETKEY_AUDIT_RETAIN',
  /** `host:port`, HTTPS. */
  listen: 'VALETKEY_LISTEN',
  /** `host:port`, HTTP: probes and metrics. */
  telemetry: 'VALETKEY_TELEMETRY_LISTEN',
  /** File with the level of the log, read again while the program runs. */
  logLevelFile: 'VALETKEY_LOG_LEVEL_FILE',
} as const;

/** Settings of the authority that the chart does not set. */
export const AUTHORITY_TUNING_ENV = {
  /** As for the webhook. */
  kubeconfig: 'VALETKEY_KUBECONFIG',
  authorityLifetime: 'VALETKEY_CA_LIFETIME',
  leafLifetime: 'VALETKEY_LEAF_LIFETIME',
  /** How long a grant signing key signs. */
  keyLifetime: 'VALETKEY_KEY_LIFETIME',
  /** `compare`: a token must come from its pod's address; `ignore`: for networks that hide it. */
  podAddresses: 'VALETKEY_POD_ADDRESSES',
  /** Sustained requests per second and replica; a burst is thirty times as many. */
  peerRate: 'VALETKEY_PEER_RATE',
  podRate: 'VALETKEY_POD_RATE',
  /** Calls that policy decides one by one, of one pod. */
  callRate: 'VALETKEY_CALL_RATE',
  serviceAccountRate: 'VALETKEY_SERVICE_ACCOUNT_RATE',
  namespaceRate: 'VALETKEY_NAMESPACE_RATE',
  /** MiB of audit records per hour and replica that the pods of one namespace may cause. */
  namespaceAuditMebibytes: 'VALETKEY_NAMESPACE_AUDIT_MEBIBYTES',
  /** Concurrent token verifications. */
  verifications: 'VALETKEY_VERIFICATIONS',
  /** Concurrent connections, including event streams: in total, and from one address. */
  connections: 'VALETKEY_CONNECTIONS',
  connectionsPerPeer: 'VALETKEY_CONNECTIONS_PER_PEER',
} as const;
