/**
 * The token volume stands where the API token would: the ServiceAccount admission plugin then
 * mounts no API token into the sidecar.
 */
export const TOKEN_MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
export const TOKEN_FILE_NAME = 'token';

/** Where a consumer sees its own socket and loopback token; the sidecar sees `<this>/<container>`. */
export const CONSUMER_MOUNT_PATH = '/var/run/valetkey';
export const SOCKET_FILE_NAME = 'socket';
export const LOOPBACK_TOKEN_FILE_NAME = 'token';

/** The sidecar's ports: credentials on 127.0.0.1, probes and metrics on the pod's address. */
export const LOOPBACK_LISTEN = 9471;
export const TELEMETRY_LISTEN = 9472;

/** The webhook's ports. */
export const WEBHOOK_LISTEN = 9443;
export const WEBHOOK_TELEMETRY_LISTEN = 9444;

/** The webhook's routes, as both webhook configurations name them. */
export const MUTATE_PATH = '/mutate';
export const VALIDATE_PATH = '/validate';
export const VALIDATE_POLICY_PATH = '/validate-policy';

/** Where the chart mounts certificates that somebody else keeps. */
export const WEBHOOK_CERTIFICATES_FOLDER = '/etc/valetkey-certificates';

/** Each program is one file of the image; the container's command picks one. */
export const NODE_PATH = '/usr/local/bin/node';
export const PROGRAM_FOLDER = '/opt/valetkey';
export const COMPILE_CACHE_FOLDER = '/opt/valetkey/compile-cache';

/** Where the chart mounts the volume of the authority's records. */
export const AUDIT_FOLDER = '/var/lib/valetkey/audit';
