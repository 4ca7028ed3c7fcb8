import { createHash } from 'node:crypto';
import type { AuthorityAccess } from '../contract/authority-api.ts';
import {
  CONSUMER_ENV,
  SIDECAR_ENV,
  SIGN_CONSUMER_ENV,
  TRACING_ENV,
} from '../contract/environment.ts';
import {
  INJECTED_LABEL,
  SIDECAR_CONTAINER,
  SIDECAR_GID,
  SIDECAR_UID,
  TELEMETRY_PORT,
  TOKEN_VOLUME,
} from '../contract/names.ts';
import {
  CONSUMER_MOUNT_PATH,
  GATEWAY_LISTEN,
  GATEWAY_SOCKET_FILE_NAME,
  LOOPBACK_LISTEN,
  LOOPBACK_TOKEN_FILE_NAME,
  SOCKET_FILE_NAME,
  TELEMETRY_LISTEN,
  TOKEN_FILE_NAME,
  TOKEN_MOUNT_PATH,
} from '../contract/paths.ts';
import type { GatewayAccess, Platform } from '../contract/platform.ts';
import type { Container, EnvVar, Volume, VolumeMount } from '../contract/pod.ts';
import { SIDECAR_COMMAND, SIDECAR_RUNTIME_ENV } from '../contract/runtime.ts';
import { canonicalizeJson } from '../schema/canonical-json.ts';

/** Every field that injection sets, except the tasks and what depends on the number of consumers. */
export type InjectionTemplate = {
  /** Without consumers, tasks and the cpu limit that a Guaranteed pod needs. */
  readonly sidecar: Container;
  readonly tokenVolume: Volume;
  /** Of each consumer; the name ends with the consumer's index. */
  readonly consumerVolume: Omit<Volume, 'name'>;
  /** Directory in the sidecar with one directory per consumer, named after its container. */
  readonly consumersFolder: string;
  readonly consumer: {
    readonly mount: Omit<VolumeMount, 'name'>;
    /** Reserved: a consumer that sets one of these is refused. */
    readonly env: readonly EnvVar[];
    /** Reserved too, of consumers of tasks with `delivery: sign`. Absent: the template is older. */
    readonly signEnv?: readonly EnvVar[];
    /** Each group is added only to a consumer that sets none of its names. */
    readonly envDefaults: readonly (readonly EnvVar[])[];
  };
  readonly label: { readonly name: string; readonly value: string };
};

/** An injection template with the hash by which pods and the ConfigMap refer to it. */
export type PublishedTemplate = {
  /** SHA-256 of `text`, hex. */
  readonly hash: string;
  /** Canonical JSON (RFC 8785) of `template`. */
  readonly text: string;
  readonly template: InjectionTemplate;
};

/** Templates that a pod may have been injected from, by hash. */
export type AcceptedTemplates = ReadonlyMap<string, InjectionTemplate>;

/** The shortest token lifetime that the kubelet grants; it renews the token at 80 %. */
export const TOKEN_SECONDS = 600;
const GATEWAY_ADDRESS = `127.0.0.1:${GATEWAY_LISTEN}`;
/** Holds two sockets, a token, a seed and budgets, at most some pages each. Consumers cannot write. */
const CONSUMER_VOLUME_SIZE = '1Mi';

/**
 * Builds the template that is injected with these settings. It computes a hash: keep the result.
 *
 * @param trustBundle under `trust: authority`: PEM of the CAs that sidecars trust; otherwise unused
 * @throws Error under `trust: authority` without a trust bundle
 */
export const buildInjectionTemplate = (platform: Platform, trustBundle = ''): PublishedTemplate => {
  const template: InjectionTemplate = {
    sidecar: buildSidecar(platform, trustBundle),
    tokenVolume: {
      name: TOKEN_VOLUME,
      projected: {
        sources: [
          {
            serviceAccountToken: {
              audience: platform.sidecar.audience,
              expirationSeconds: TOKEN_SECONDS,
              path: TOKEN_FILE_NAME,
            },
          },
        ],
      },
    },
    consumerVolume: { emptyDir: { medium: 'Memory', sizeLimit: CONSUMER_VOLUME_SIZE } },
    consumersFolder: CONSUMER_MOUNT_PATH,
    consumer: buildConsumerFields(platform),
    label: { name: INJECTED_LABEL, value: 'true' },
  };
  const text = canonicalizeJson(template);
  return { hash: hashTemplate(text), text, template };
};

/** SHA-256 of a template's text, hex. */
export const hashTemplate = (text: string): string =>
  createHash('sha256').update(text).digest('hex');

/**
 * Canonical JSON for an environment value. The kubelet replaces `$(NAME)` and `$$`, so dollar signs
 * are escaped; in JSON they occur only in strings.
 */
export const toEnvironmentJson = (value: object): string =>
  canonicalizeJson(value).replaceAll('$', String.raw`\u0024`);

const buildSidecar = (platform: Platform, trustBundle: string): Container => ({
  name: SIDECAR_CONTAINER,
  image: platform.sidecar.image,
  imagePullPolicy: platform.sidecar.imagePullPolicy,
  restartPolicy: 'Always',
  command: SIDECAR_COMMAND,
  env: buildSidecarEnv(platform, trustBundle),
  ports: [{ name: TELEMETRY_PORT, containerPort: TELEMETRY_LISTEN }],
  startupProbe: {
    httpGet: { path: '/readyz', port: TELEMETRY_LISTEN },
    periodSeconds: 1,
    timeoutSeconds: 2,
    failureThreshold: 120,
  },
  resources: {
    requests: { cpu: platform.sidecar.resources.cpu, memory: platform.sidecar.resources.memory },
    limits: { memory: platform.sidecar.resources.memory },
  },
  securityContext: {
    runAsUser: SIDECAR_UID,
    runAsGroup: SIDECAR_GID,
    runAsNonRoot: true,
    readOnlyRootFilesystem: true,
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    seccompProfile: { type: 'RuntimeDefault' },
  },
  volumeMounts: [{ name: TOKEN_VOLUME, mountPath: TOKEN_MOUNT_PATH, readOnly: true }],
});

const buildSidecarEnv = (platform: Platform, trustBundle: string): readonly EnvVar[] => [
  ...Object.entries(SIDECAR_RUNTIME_ENV).map(([name, value]) => ({ name, value })),
  { name: SIDECAR_ENV.trust, value: platform.trust },
  { name: SIDECAR_ENV.podName, valueFrom: buildFieldRef('metadata.name') },
  { name: SIDECAR_ENV.podNamespace, valueFrom: buildFieldRef('metadata.namespace') },
  { name: SIDECAR_ENV.podUid, valueFrom: buildFieldRef('metadata.uid') },
  { name: SIDECAR_ENV.podIps, valueFrom: buildFieldRef('status.podIPs') },
  buildExchangeEnv(platform, trustBundle),
  { name: SIDECAR_ENV.tokenFile, value: `${TOKEN_MOUNT_PATH}/${TOKEN_FILE_NAME}` },
  { name: SIDECAR_ENV.consumersFolder, value: CONSUMER_MOUNT_PATH },
  { name: SIDECAR_ENV.loopback, value: `127.0.0.1:${LOOPBACK_LISTEN}` },
  { name: SIDECAR_ENV.telemetry, value: `:${TELEMETRY_LISTEN}` },
  { name: SIDECAR_ENV.gateway, value: toEnvironmentJson(buildGatewayAccess(platform)) },
  { name: SIDECAR_ENV.gatewayListen, value: GATEWAY_ADDRESS },
  ...buildTracingEnv(platform.sidecar),
];

const buildTracingEnv = ({ tracing }: Platform['sidecar']): readonly EnvVar[] =>
  tracing === undefined
    ? []
    : [
        { name: TRACING_ENV.endpoint, value: tracing.endpoint },
        { name: TRACING_ENV.samplerRatio, value: String(tracing.samplerRatio) },
      ];

/** Under both kinds of trust, because the gateway signs requests to the cloud itself. */
const buildGatewayAccess = ({ gateway, cloud }: Platform): GatewayAccess => {
  const { region, regions, endpoints, dialect, caBundle, httpsProxy, noProxy, allowHttp } = cloud;
  return {
    ...gateway,
    region,
    dialect,
    allowHttp,
    ...(regions && { regions }),
    ...(endpoints && { endpoints }),
    ...(caBundle !== undefined && { caBundle }),
    ...(httpsProxy !== undefined && { httpsProxy }),
    ...(noProxy !== undefined && { noProxy }),
  };
};

/** The endpoint where the sidecar exchanges its token: the authority or the cloud, not both. */
const buildExchangeEnv = ({ cloud, authority }: Platform, trustBundle: string): EnvVar => {
  if (authority === undefined) return { name: SIDECAR_ENV.cloud, value: toEnvironmentJson(cloud) };
  if (trustBundle === '') {
    throw new Error('injection template: trust: authority needs a trust bundle');
  }
  const { endpoint, disconnectTimeoutSeconds } = authority;
  const access: AuthorityAccess = {
    endpoint,
    roots: trustBundle,
    ...(disconnectTimeoutSeconds !== undefined && {
      disconnectTimeoutSeconds: disconnectTimeoutSeconds,
    }),
  };
  return { name: SIDECAR_ENV.authority, value: toEnvironmentJson(access) };
};

const buildFieldRef = (fieldPath: string) => ({ fieldRef: { fieldPath } });

const buildConsumerFields = (platform: Platform): InjectionTemplate['consumer'] => ({
  mount: { mountPath: CONSUMER_MOUNT_PATH, readOnly: true },
  env: [
    { name: CONSUMER_ENV.socket, value: `${CONSUMER_MOUNT_PATH}/${SOCKET_FILE_NAME}` },
    {
      name: CONSUMER_ENV.credentialsUri,
      value: `http://127.0.0.1:${LOOPBACK_LISTEN}/v1/credentials`,
    },
    {
      name: CONSUMER_ENV.authorizationTokenFile,
      value: `${CONSUMER_MOUNT_PATH}/${LOOPBACK_TOKEN_FILE_NAME}`,
    },
  ],
  signEnv: [
    {
      name: SIGN_CONSUMER_ENV.gatewaySocket,
      value: `${CONSUMER_MOUNT_PATH}/${GATEWAY_SOCKET_FILE_NAME}`,
    },
    { name: SIGN_CONSUMER_ENV.endpointUrl, value: `http://${GATEWAY_ADDRESS}` },
    { name: SIGN_CONSUMER_ENV.hostPrefix, value: 'true' },
    { name: SIGN_CONSUMER_ENV.expressSession, value: 'true' },
    { name: SIGN_CONSUMER_ENV.authScheme, value: 'sigv4' },
  ],
  envDefaults: [
    [{ name: CONSUMER_ENV.metadataDisabled, value: 'true' }],
    [
      { name: CONSUMER_ENV.region, value: platform.cloud.region },
      { name: CONSUMER_ENV.defaultRegion, value: platform.cloud.region },
    ],
  ],
});
