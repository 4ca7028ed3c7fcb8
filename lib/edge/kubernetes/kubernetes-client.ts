import {
  AdmissionregistrationV1Api,
  CoreV1Api,
  KubeConfig,
  Observable,
  PatchStrategy,
  type ConfigurationOptions,
} from '@kubernetes/client-node';

/** The API clients and configuration of one cluster. */
export type KubernetesClient = {
  readonly core: CoreV1Api;
  readonly admission: AdmissionregistrationV1Api;
  readonly config: KubeConfig;
};

/** The client library has no timeout of its own. */
const CALL_TIMEOUT_MS = 10_000;

/** Creates the clients; makes no call yet. */
export const createKubernetesClient = (config: KubeConfig): KubernetesClient => ({
  config,
  core: config.makeApiClient(CoreV1Api),
  admission: config.makeApiClient(AdmissionregistrationV1Api),
});

type CallOptions = ConfigurationOptions;

/** Options of one call, with a timeout of ten seconds. */
export const buildCallOptions = (contentType?: PatchStrategy): CallOptions => ({
  middlewareMergeStrategy: 'append',
  middleware: [
    {
      pre: (request) => {
        request.setSignal(AbortSignal.timeout(CALL_TIMEOUT_MS));
        if (contentType !== undefined) request.setHeaderParam('Content-Type', contentType);
        return new Observable(Promise.resolve(request));
      },
      post: (response) => new Observable(Promise.resolve(response)),
    },
  ],
});

/** Options of a strategic merge patch: lists are merged by the names of their elements. */
export const buildStrategicMergeOptions = (): CallOptions =>
  buildCallOptions(PatchStrategy.StrategicMergePatch);

/** Options of a merge patch: sets members and removes those that are null (RFC 7386). */
export const buildMergePatchOptions = (): CallOptions => buildCallOptions(PatchStrategy.MergePatch);

/**
 * Loads the configuration of a cluster.
 *
 * @param file kubeconfig; empty: the pod's own service account
 * @throws Error when the file is not a kubeconfig
 */
export const loadClusterConfig = (file: string): KubeConfig => {
  if (file === '') return loadInClusterConfig();
  const config = new KubeConfig();
  config.loadFromFile(file);
  return config;
};

function loadInClusterConfig(): KubeConfig {
  const config = new KubeConfig();
  config.loadFromCluster();
  return config;
}
