/**
 * The sidecar's environment. No name ends in `_PORT` or `_SERVICE_HOST`: a Service in the pod's
 * namespace could set those. The injected spec sets each of them explicitly.
 */
export const SIDECAR_ENV = {
  /** JSON of {@link AdmittedTasks}. */
  tasks: 'VALETKEY_TASKS',
  /** SHA-256, hex, of the canonical profile this sidecar was injected from. */
  injectionTemplate: 'VALETKEY_PROFILE',
  trust: 'VALETKEY_TRUST',
  podName: 'VALETKEY_POD_NAME',
  podNamespace: 'VALETKEY_POD_NAMESPACE',
  podIp: 'VALETKEY_POD_IP',
  /** Under `trust: cluster`: JSON of {@link CloudSettings}. */
  cloud: 'VALETKEY_CLOUD',
  /** Under `trust: authority`: JSON of {@link AuthorityAccess}. */
  authority: 'VALETKEY_AUTHORITY',
  tokenFile: 'VALETKEY_TOKEN_FILE',
  /** Folder that holds one folder per consumer. */
  consumersFolder: 'VALETKEY_CONSUMERS_FOLDER',
  /** `host:port` of the credentials endpoint. */
  loopback: 'VALETKEY_LOOPBACK_LISTEN',
  /** `host:port` of probes and metrics; an empty host means the pod's address. */
  telemetry: 'VALETKEY_TELEMETRY_LISTEN',
} as const;

/** What every consumer is given. */
export const CONSUMER_ENV = {
  socket: 'VALETKEY_SOCKET',
  credentialsUri: 'AWS_CONTAINER_CREDENTIALS_FULL_URI',
  authorizationTokenFile: 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE',
  metadataDisabled: 'AWS_EC2_METADATA_DISABLED',
  region: 'AWS_REGION',
  defaultRegion: 'AWS_DEFAULT_REGION',
} as const;

/** Each of these, when not empty, could load code, add trust or write secrets: no program starts. */
export const ENV_DENY_LIST = [
  'NODE_OPTIONS',
  'NODE_EXTRA_CA_CERTS',
  'NODE_TLS_REJECT_UNAUTHORIZED',
  'SSLKEYLOGFILE',
  'OPENSSL_CONF',
  'LD_PRELOAD',
  'LD_LIBRARY_PATH',
  'LD_AUDIT',
] as const;

/** The webhook's environment, written by the chart. */
export const WEBHOOK_ENV = {
  /** YAML file that holds the {@link Platform}. */
  platformFile: 'VALETKEY_PLATFORM_FILE',
  /** Namespace the webhook runs in. */
  namespace: 'VALETKEY_NAMESPACE',
  podName: 'VALETKEY_POD_NAME',
  /** Name of the Service in front of it: its certificate is for `<service>.<namespace>.svc`. */
  service: 'VALETKEY_SERVICE',
  /** Name of both webhook configurations, mutating and validating. */
  configuration: 'VALETKEY_CONFIGURATION',
  /** `own` (our CA in a Secret) or `files` (cert-manager keeps them). */
  certificates: 'VALETKEY_CERTIFICATES',
  /** Under `own`: the Secret that holds the CA. */
  caSecret: 'VALETKEY_CA_SECRET',
  /** Under `files`: folder with tls.crt and tls.key. */
  certificatesFolder: 'VALETKEY_CERTIFICATES_FOLDER',
  /** `host:port`, HTTPS. */
  listen: 'VALETKEY_LISTEN',
  /** `host:port`, HTTP: probes and metrics. */
  telemetry: 'VALETKEY_TELEMETRY_LISTEN',
  logLevel: 'VALETKEY_LOG_LEVEL',
} as const;

/** Settings of the webhook that the chart leaves as they are. */
export const WEBHOOK_TUNING_ENV = {
  /** `kubernetes`; or `none`, for the demo and development: no API server is asked for anything. */
  cluster: 'VALETKEY_CLUSTER',
  /** A file that says where the API server is, for the demo and development; empty: the pod's own. */
  kubeconfig: 'VALETKEY_KUBECONFIG',
  /** Under `own`: life of a CA. It waits, then signs, for a third of it each. */
  authorityLifetime: 'VALETKEY_CA_LIFETIME',
  /** Under `own`: life of a replica's certificate, renewed at two thirds. */
  leafLifetime: 'VALETKEY_LEAF_LIFETIME',
} as const;

/** Where the chart mounts the platform's settings. */
export const PLATFORM_FILE = '/etc/valetkey/platform.yaml';

/** The authority's environment, written by the chart. */
export const AUTHORITY_ENV = {
  /** YAML file that holds the {@link Platform}. */
  platformFile: 'VALETKEY_PLATFORM_FILE',
  namespace: 'VALETKEY_NAMESPACE',
  /** Name of this replica, and of its chain of records. */
  podName: 'VALETKEY_POD_NAME',
  /** Secret that holds the CA of its serving certificates. */
  caSecret: 'VALETKEY_CA_SECRET',
  /** Secret that holds the keys of grants. */
  keysSecret: 'VALETKEY_KEYS_SECRET',
  /** Secret that holds the long-lived key of checkpoints, and the key of run ids. */
  auditSecret: 'VALETKEY_AUDIT_SECRET',
  /** Folder of the append-only file of records; empty: standard output only. */
  auditFolder: 'VALETKEY_AUDIT_FOLDER',
  /** `host:port`, HTTPS. */
  listen: 'VALETKEY_LISTEN',
  /** `host:port`, HTTP: probes and metrics. */
  telemetry: 'VALETKEY_TELEMETRY_LISTEN',
  logLevel: 'VALETKEY_LOG_LEVEL',
} as const;

/** Settings of the authority that the chart leaves as they are. */
export const AUTHORITY_TUNING_ENV = {
  /** As the webhook's. */
  kubeconfig: 'VALETKEY_KUBECONFIG',
  authorityLifetime: 'VALETKEY_CA_LIFETIME',
  leafLifetime: 'VALETKEY_LEAF_LIFETIME',
  /** A key of grants signs for so long. */
  keyLifetime: 'VALETKEY_KEY_LIFETIME',
  /** `compare`: a token must come from its pod's own address; or `ignore`, where a network hides it. */
  podAddresses: 'VALETKEY_POD_ADDRESSES',
  /** Requests per second and replica, sustained; a burst is thirty times as many. */
  peerRate: 'VALETKEY_PEER_RATE',
  podRate: 'VALETKEY_POD_RATE',
  serviceAccountRate: 'VALETKEY_SERVICE_ACCOUNT_RATE',
  namespaceRate: 'VALETKEY_NAMESPACE_RATE',
  /** Verifications of tokens under way at once. */
  verifications: 'VALETKEY_VERIFICATIONS',
  /** Connections at once, streams of sidecars included: in all, and from one address. */
  connections: 'VALETKEY_CONNECTIONS',
  connectionsPerPeer: 'VALETKEY_CONNECTIONS_PER_PEER',
} as const;
