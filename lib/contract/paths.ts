/**
 * The path of the API token. Because the exchange token's volume is mounted here, the ServiceAccount
 * admission plugin mounts no API token into the sidecar.
 */
export const TOKEN_MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
export const TOKEN_FILE_NAME = 'token';

/** Holds a consumer's socket and loopback token; in the sidecar, `<this>/<container>` does. */
export const CONSUMER_MOUNT_PATH = '/var/run/valetkey';
export const SOCKET_FILE_NAME = 'socket';
export const LOOPBACK_TOKEN_FILE_NAME = 'token';
/** The consumer's own socket of the gateway. */
export const GATEWAY_SOCKET_FILE_NAME = 'gateway';
/** From which the consumer's local keys are derived; only the sidecar can read it. */
export const SEED_FILE_NAME = 'seed';
/** What the consumer's runs have used of their budgets; only the sidecar can read it. */
export const BUDGET_FILE_NAME = 'budget';

/** The sidecar's ports: credentials and the gateway on 127.0.0.1, probes and metrics on the pod's address. */
export const LOOPBACK_LISTEN = 9471;
export const TELEMETRY_LISTEN = 9472;
export const GATEWAY_LISTEN = 9473;

/** Of the authority and the sidecar: the OpenAPI description of their routes. */
export const API_DESCRIPTION_PATH = '/openapi.json';

/** The webhook's ports. */
export const WEBHOOK_LISTEN = 10250;
export const WEBHOOK_TELEMETRY_LISTEN = 9444;

/** The webhook's routes, used in both webhook configurations. */
export const MUTATE_PATH = '/mutate';
export const VALIDATE_PATH = '/validate';
export const VALIDATE_POLICY_PATH = '/validate-policy';
export const WARN_WORKLOAD_PATH = '/warn-workload';

/** Where the chart mounts certificates that cert-manager or another tool renews. */
export const WEBHOOK_CERTIFICATES_FOLDER = '/etc/valetkey-certificates';

/** Each program is one file of the image; the container's command selects one. */
export const NODE_PATH = '/usr/local/bin/node';
export const PROGRAM_FOLDER = '/opt/valetkey';
export const COMPILE_CACHE_FOLDER = '/opt/valetkey/compile-cache';

/** Where the chart mounts the volume of the authority's audit records. */
export const AUDIT_FOLDER = '/var/lib/valetkey/audit';

/** The field of a pod that is its fixed key: never a constant, which a URL in a prompt could hold. */
export const FIXED_KEY_FIELD = 'metadata.uid';
