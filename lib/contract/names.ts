/** Every annotation, label and API group of ours ends in this domain. */
export const DOMAIN = 'valetkey.dev';

/** Prefix of a task declaration: `task.valetkey.dev/<task>`. */
export const TASK_ANNOTATION_PREFIX = 'task.valetkey.dev/';

/** On a Namespace, {@link WARN_MODE}: rule 7 warns there instead of refusing, for a migration. */
export const MODE_LABEL = 'valetkey.dev/mode';
export const WARN_MODE = 'warn';

/** An index for selectors, never a proof: nothing decides by it. */
export const INJECTED_LABEL = 'valetkey.dev/injected';

export const SIDECAR_CONTAINER = 'valetkey-sidecar';

/** Name of the sidecar's port for probes and metrics (at most 15 characters). */
export const TELEMETRY_PORT = 'valetkey-metric';

/** Volumes whose names begin so are ours; a pod author may declare none. */
export const VOLUME_PREFIX = 'valetkey-';
export const TOKEN_VOLUME = 'valetkey-token';

/** One memory-backed volume per consumer: `valetkey-consumer-<n>`, n as in {@link AdmittedTasks.consumers}. */
export const CONSUMER_VOLUME_PREFIX = 'valetkey-consumer-';

/**
 * High and unusual, yet within 16 bits: a pod with `hostUsers: false` has only the UIDs 0–65535.
 */
export const SIDECAR_UID = 64871;
export const SIDECAR_GID = 64871;

/** The webhook's own: it never shares a user with a sidecar. */
export const WEBHOOK_UID = 64872;
export const WEBHOOK_GID = 64872;

/** ConfigMap whose keys are the SHA-256 of accepted profiles. */
export const INJECTION_TEMPLATES_CONFIG_MAP = 'valetkey-profiles';

/** On the webhook's CA Secret: each new value asks for a rotation. */
export const ROTATE_ANNOTATION = 'valetkey.dev/rotate';

/** Domains in which AWS answers, of every partition. */
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
 * Audiences, in lower case, that another cloud identity mechanism, or we, trade for credentials: a
 * pod with tasks may project none of them itself. Ours and those of `pods.protectedAudiences` are
 * added from the platform's settings.
 */
export const PROTECTED_AUDIENCES: readonly string[] = [
  ...CLOUD_DOMAINS.flatMap((domain) => [`sts.${domain}`, `pods.eks.${domain}`]),
  'sts.googleapis.com',
];

/** Google's audiences name the identity pool, Azure's the cloud; these are how they begin. */
export const PROTECTED_AUDIENCE_PREFIXES = [
  '//iam.googleapis.com/',
  'https://iam.googleapis.com/',
  'api://azureadtokenexchange',
] as const;

/** And how Google's identity pools of clusters end. */
export const PROTECTED_AUDIENCE_SUFFIXES = ['.id.goog'] as const;

/** Audiences by which the API server knows itself; an absent one is another. */
export const API_AUDIENCES: readonly string[] = [
  'kubernetes.default.svc',
  'https://kubernetes.default.svc',
  'https://kubernetes.default.svc.cluster.local',
];

/** The API token's volume, as the ServiceAccount admission plugin names it. */
export const API_TOKEN_VOLUME_PREFIX = 'kube-api-access-';

/** On the Secret of the keys of grants: each new value taints once. See lib/grant/key-rotation.ts. */
export const TAINT_ANNOTATION = 'valetkey.dev/taint';

/** What the chart installs. Its names are fixed: two installations would inject into the same pods. */
export const INSTALLED = {
  /** Unless chosen otherwise. */
  namespace: 'valetkey',
  /** Deployment. */
  webhook: 'valetkey-webhook',
  /** StatefulSet, Service and service account. */
  authority: 'valetkey-authority',
  /** Port of the authority's Service that sidecars and clouds use. */
  authorityPort: 'https',
  platformConfigMap: 'valetkey-platform',
  platformKey: 'platform.yaml',
} as const;
