import {
  AdmissionregistrationV1Api,
  CoreV1Api,
  KubeConfig,
  Observable,
  PatchStrategy,
  type ConfigurationOptions,
} from '@kubernetes/client-node';

/** The way to the API server; what is done with it stands in the files beside this one. */
export type KubernetesClient = {
  readonly core: CoreV1Api;
  readonly admission: AdmissionregistrationV1Api;
  readonly config: KubeConfig;
};

/** The client library has no limit of its own on how long a call may take. */
const CALL_TIMEOUT_MS = 10_000;

/** Opens the API server. */
export const createKubernetesClient = (config: KubeConfig): KubernetesClient => ({
  config,
  core: config.makeApiClient(CoreV1Api),
  admission: config.makeApiClient(AdmissionregistrationV1Api),
});

type CallOptions = ConfigurationOptions;

/** Options of one call: it ends after ten seconds. */
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

/** A patch whose lists are merged by their elements' names. */
export const buildStrategicMergeOptions = (): CallOptions =>
  buildCallOptions(PatchStrategy.StrategicMergePatch);

/** A patch that sets members and removes those that are null (RFC 7386). */
export const buildMergePatchOptions = (): CallOptions => buildCallOptions(PatchStrategy.MergePatch);

/**
 * The API server that a file names, for programs that run outside of any pod.
 *
 * @param file kubeconfig; empty: the pod's own service account
 * @throws Error for a file that is none
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
