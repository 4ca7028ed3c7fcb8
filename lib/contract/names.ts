/** Suffix of every annotation, label and API group that Valetkey defines. */
export const DOMAIN = 'valetkey.dev';

/** Prefix of a task declaration: `task.valetkey.dev/<task>`. */
export const TASK_ANNOTATION_PREFIX = 'task.valetkey.dev/';

/** Label of a Namespace. Value {@link WARN_MODE}: rule 7 warns there instead of denying, for a migration. */
export const MODE_LABEL = 'valetkey.dev/mode';
export const WARN_MODE = 'warn';

/** An index for selectors. No decision uses it, because anyone can set a label. */
export const INJECTED_LABEL = 'valetkey.dev/injected';

export const SIDECAR_CONTAINER = 'valetkey-sidecar';

/** Name of the sidecar's port for probes and metrics (at most 15 characters). */
export const TELEMETRY_PORT = 'valetkey-metric';

/** Reserved prefix of volume names: a pod author may not declare such a volume. */
export const VOLUME_PREFIX = 'valetkey-';
export const TOKEN_VOLUME = 'valetkey-token';

/** One memory-backed volume per consumer: `valetkey-consumer-<n>`, n as in {@link AdmittedTasks.consumers}. */
export const CONSUMER_VOLUME_PREFIX = 'valetkey-consumer-';

/**
 * Containers that meshes and controllers add to a pod's ordinary ones. By default they are consumers
 * only if a task names them.
 */
export const HELPER_CONTAINERS: readonly string[] = [
  'istio-proxy',
  'linkerd-proxy',
  'kuma-sidecar',
  'consul-dataplane',
  'queue-proxy',
  'daprd',
  'vault-agent',
  // Argo Workflows.
  'wait',
  'airflow-xcom-sidecar',
  // Tekton.
  'sidecar-tekton-log-results',
];

/** Unlikely to be in use, and within 16 bits: a pod with `hostUsers: false` has only UIDs 0–65535. */
export const SIDECAR_UID = 64871;
export const SIDECAR_GID = 64871;

/** The webhook does not share a user with the sidecars. */
export const WEBHOOK_UID = 64872;
export const WEBHOOK_GID = 64872;

/** ConfigMap whose keys are the SHA-256 hashes of accepted injection templates. */
export const INJECTION_TEMPLATES_CONFIG_MAP = 'valetkey-injection-templates';

/** On the webhook's CA Secret: each new value requests one rotation. */
export const ROTATE_ANNOTATION = 'valetkey.dev/rotate';

/** Domains of AWS's endpoints, of every partition. */
export const CLOUD_DOMAINS = [
  'amazonaws.com',
  'amazonaws.com.cn',
  'amazonaws.eu',
  'api.aws',
  'api.amazonwebservices.com.cn',
  'api.amazonwebservices.eu',
  'c2s.ic.gov',
  'sc2s.sgov.gov',
  'cloud.adc-e.uk',
  'csp.hci.ic.gov',
] as const;

/**
 * Audiences, in lower case, whose tokens another identity mechanism exchanges for credentials of AWS. A
 * pod with tasks must not project such tokens itself. The platform's settings add Valetkey's own
 * audience and `pods.protectedAudiences`.
 */
export const PROTECTED_AUDIENCES: readonly string[] = CLOUD_DOMAINS.flatMap((domain) => [
  `sts.${domain}`,
  `pods.eks.${domain}`,
]);

/** Such audiences of Azure and Google, which are protected unless the platform allows other clouds. */
export const OTHER_CLOUD_AUDIENCES: readonly string[] = ['sts.googleapis.com'];

/** Prefixes of such audiences: Google's contain the identity pool, Azure's the cloud. */
export const OTHER_CLOUD_AUDIENCE_PREFIXES = [
  '//iam.googleapis.com/',
  'https://iam.googleapis.com/',
  'api://azureadtokenexchange',
] as const;

/** Suffixes of such audiences: Google's identity pools of clusters. */
export const OTHER_CLOUD_AUDIENCE_SUFFIXES = ['.id.goog'] as const;

/** Audiences of the API server. A token without audience is also one for the API server. */
export const API_AUDIENCES: readonly string[] = [
  'kubernetes.default.svc',
  'https://kubernetes.default.svc',
  'https://kubernetes.default.svc.cluster.local',
];

/** Prefix of the API token's volume, set by the ServiceAccount admission plugin. */
export const API_TOKEN_VOLUME_PREFIX = 'kube-api-access-';

/** On the Secret of the grant signing keys: each new value taints the keys once. See lib/grant/key-rotation.ts. */
export const TAINT_ANNOTATION = 'valetkey.dev/taint';

/** On Events of the authority: the code of the refusal, for programs. */
export const EVENT_CODE_ANNOTATION = 'valetkey.dev/code';
/** On Events of the authority: the ID of the refused request, as in logs and records. */
export const EVENT_REQUEST_ANNOTATION = 'valetkey.dev/request';

/** Names that the chart installs. They are fixed: two installations would inject into the same pods. */
export const INSTALLED = {
  /** Default. */
  namespace: 'valetkey',
  /** Deployment. */
  webhook: 'valetkey-webhook',
  /** Mutating and validating webhook configuration. */
  configuration: 'valetkey',
  /** StatefulSet, Service and service account. */
  authority: 'valetkey-authority',
  /** Port of the authority's Service that sidecars and clouds use. */
  authorityPort: 'https',
  platformConfigMap: 'valetkey-platform',
  platformKey: 'platform.yaml',
  /** ConfigMap with the parameters of the admission policies. */
  policyParameters: 'valetkey-policy-parameters',
} as const;
