import { createHash } from 'node:crypto';
import type { AuthorityAccess } from '../contract/authority-api.ts';
import { CONSUMER_ENV, SIDECAR_ENV } from '../contract/environment.ts';
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
  LOOPBACK_LISTEN,
  LOOPBACK_TOKEN_FILE_NAME,
  SOCKET_FILE_NAME,
  TELEMETRY_LISTEN,
  TOKEN_FILE_NAME,
  TOKEN_MOUNT_PATH,
} from '../contract/paths.ts';
import type { Platform } from '../contract/platform.ts';
import type { Container, EnvVar, Volume, VolumeMount } from '../contract/pod.ts';
import { SIDECAR_COMMAND, SIDECAR_RUNTIME_ENV } from '../contract/runtime.ts';
import { canonicalizeJson } from '../schema/canonical-json.ts';

/** Every field that injection sets, but for tasks and what follows from how many consumers. */
export type InjectionTemplate = {
  /** As it is with no consumers and no tasks; and without a cpu limit, which a Guaranteed pod adds. */
  readonly sidecar: Container;
  readonly tokenVolume: Volume;
  /** Of each consumer; the name is counted up. */
  readonly consumerVolume: Omit<Volume, 'name'>;
  /** Where the sidecar sees the folders of all consumers, each by its container's name. */
  readonly consumersFolder: string;
  readonly consumer: {
    readonly mount: Omit<VolumeMount, 'name'>;
    /** Ours alone: a consumer that sets one itself is refused. */
    readonly env: readonly EnvVar[];
    /** Each group only for a consumer that has none of its names. */
    readonly envDefaults: readonly (readonly EnvVar[])[];
  };
  readonly label: { readonly name: string; readonly value: string };
};

/** A profile and the name under which pods and the ConfigMap `valetkey-profiles` know it. */
export type PublishedTemplate = {
  /** SHA-256 of `text`, hex. */
  readonly hash: string;
  /** Canonical JSON (RFC 8785) of `profile`. */
  readonly text: string;
  readonly template: InjectionTemplate;
};

/** By hash: what a pod may have been injected from. */
export type AcceptedTemplates = ReadonlyMap<string, InjectionTemplate>;

/** Token life asked of the kubelet, the least that it gives; it renews at 80 %. */
const TOKEN_SECONDS = 600;
/** A socket and a token: a page each. Consumers cannot write. */
const CONSUMER_VOLUME_SIZE = '1Mi';

/**
 * The profile that this program injects under these settings. Costs a hash: keep the answer.
 *
 * @param roots under `trust: authority`: PEM of the roots that sidecars trust; unused otherwise
 * @throws Error under `trust: authority` without roots
 */
export const buildInjectionTemplate = (platform: Platform, roots = ''): PublishedTemplate => {
  const template: InjectionTemplate = {
    sidecar: buildSidecar(platform, roots),
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

/** SHA-256 of a profile's text, hex. */
export const hashTemplate = (text: string): string =>
  createHash('sha256').update(text).digest('hex');

/**
 * Canonical JSON that survives as an environment value. The kubelet replaces `$(NAME)` and `$$`;
 * in JSON a dollar sign stands in strings only, where it has another spelling.
 */
export const toEnvironmentJson = (value: object): string =>
  canonicalizeJson(value).replaceAll('$', String.raw`\u0024`);

const buildSidecar = (platform: Platform, roots: string): Container => ({
  name: SIDECAR_CONTAINER,
  image: platform.sidecar.image,
  imagePullPolicy: platform.sidecar.imagePullPolicy,
  restartPolicy: 'Always',
  command: SIDECAR_COMMAND,
  env: buildSidecarEnv(platform, roots),
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

const buildSidecarEnv = (platform: Platform, roots: string): readonly EnvVar[] => [
  ...Object.entries(SIDECAR_RUNTIME_ENV).map(([name, value]) => ({ name, value })),
  { name: SIDECAR_ENV.trust, value: platform.trust },
  { name: SIDECAR_ENV.podName, valueFrom: buildFieldRef('metadata.name') },
  { name: SIDECAR_ENV.podNamespace, valueFrom: buildFieldRef('metadata.namespace') },
  { name: SIDECAR_ENV.podIp, valueFrom: buildFieldRef('status.podIP') },
  buildExchangeEnv(platform, roots),
  { name: SIDECAR_ENV.tokenFile, value: `${TOKEN_MOUNT_PATH}/${TOKEN_FILE_NAME}` },
  { name: SIDECAR_ENV.consumersFolder, value: CONSUMER_MOUNT_PATH },
  { name: SIDECAR_ENV.loopback, value: `127.0.0.1:${LOOPBACK_LISTEN}` },
  { name: SIDECAR_ENV.telemetry, value: `:${TELEMETRY_LISTEN}` },
];

/** With whom the sidecar trades its token: only that one is it told of. */
const buildExchangeEnv = ({ cloud, authority }: Platform, roots: string): EnvVar => {
  if (authority === undefined) return { name: SIDECAR_ENV.cloud, value: toEnvironmentJson(cloud) };
  if (roots === '') throw new Error('a profile under trust: authority needs roots');
  const { endpoint, disconnectTimeoutSeconds } = authority;
  const access: AuthorityAccess = {
    endpoint,
    roots,
    ...(disconnectTimeoutSeconds !== undefined && { maxSilenceSeconds: disconnectTimeoutSeconds }),
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
  envDefaults: [
    [{ name: CONSUMER_ENV.metadataDisabled, value: 'true' }],
    [
      { name: CONSUMER_ENV.region, value: platform.cloud.region },
      { name: CONSUMER_ENV.defaultRegion, value: platform.cloud.region },
    ],
  ],
});
