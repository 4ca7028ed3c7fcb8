/** Every annotation, label and API group of ours ends in this domain. */
export const DOMAIN = 'valetkey.dev';

/** Prefix of a task declaration: `task.valetkey.dev/<task>`. */
export const TASK_ANNOTATION_PREFIX = 'task.valetkey.dev/';

/** An index for selectors, never a proof: nothing decides by it. */
export const INJECTED_LABEL = 'valetkey.dev/injected';

export const SIDECAR_CONTAINER = 'valetkey-sidecar';

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

/** ConfigMap whose keys are the SHA-256 of accepted profiles. */
export const PROFILES_CONFIG_MAP = 'valetkey-profiles';

/**
 * Audiences that another cloud identity mechanism, or we, trade for credentials: a pod with tasks
 * may project none of them itself. Ours is added from the platform's settings.
 */
export const PROTECTED_AUDIENCES = [
  'sts.amazonaws.com',
  'pods.eks.amazonaws.com',
  'api://AzureADTokenExchange',
  'sts.googleapis.com',
] as const;
