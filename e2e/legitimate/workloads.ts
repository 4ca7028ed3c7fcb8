/** A call of one container to the cloud, and its expected result. */
export type CloudRequest = {
  readonly container: string;
  readonly operation: 'get' | 'put';
  readonly bucket: string;
  readonly key: string;
  /** Task whose credentials are requested by name. Undefined: the default of the SDK. */
  readonly task?: string;
  readonly expected: { readonly status: number; readonly code?: string };
};

/** A manifest of this folder, and its expected result. */
export type Workload = {
  /** Name of the manifest, and label `app` of its pods. */
  readonly name: string;
  readonly description: string;
  /** A namespace with stricter settings. */
  readonly namespaceKind?: NamespaceKind;
  /** Number of pods; default 1. */
  readonly pods?: number;
  /** Whether its pods complete; otherwise they stay Ready. */
  readonly completes?: true;
  /** Default: the container `agent` reads a report. */
  readonly requests?: readonly CloudRequest[];
  /** Containers that read a report without a command of the test, and end. */
  readonly workers?: readonly string[];
  /** QoS class of its pods; default Burstable, because the sidecar requests resources. */
  readonly qosClass?: 'Guaranteed';
  /** Init containers of the final pod, in order; default: only the sidecar. */
  readonly initContainers?: readonly string[];
};

export const NAMESPACE_KINDS = ['team', 'restricted', 'quota'] as const;
export type NamespaceKind = (typeof NAMESPACE_KINDS)[number];

const OK = { status: 200 };
const NOT_ALLOWED = { status: 403 };
/** The error of an unmodified SDK that found no credentials. */
const NO_CREDENTIALS = { status: 0, code: 'CredentialsProviderError' };

type ExpectedAnswer = CloudRequest['expected'];

const buildRead = (container: string, expected: ExpectedAnswer = OK): CloudRequest => ({
  container,
  operation: 'get',
  bucket: 'acme-data',
  key: 'reports/q3.csv',
  expected,
});

const buildWrite = (container: string, expected: ExpectedAnswer = OK): CloudRequest => ({
  container,
  operation: 'put',
  bucket: 'acme-other',
  key: 'inbox/note.txt',
  expected,
});

export const listRequests = ({ requests, completes }: Workload): readonly CloudRequest[] =>
  requests ?? (completes === true ? [] : [buildRead('agent')]);

export const listInitContainers = ({ initContainers }: Workload): readonly string[] =>
  initContainers ?? [SIDECAR];

const SIDECAR = 'valetkey-sidecar';

/** Workloads as teams deploy them: each is admitted, runs, and gets credentials for its tasks. */
export const WORKLOADS: readonly Workload[] = [
  { name: 'deployment', description: 'a Deployment with two replicas', pods: 2 },
  { name: 'job', description: 'a Job that completes', completes: true, workers: ['agent'] },
  {
    name: 'cron-job',
    description: 'a CronJob, started manually, that completes',
    completes: true,
    workers: ['agent'],
  },
  { name: 'stateful-set', description: 'a StatefulSet' },
  { name: 'daemon-set', description: 'a DaemonSet' },
  { name: 'replica-set', description: 'a ReplicaSet without a Deployment' },
  { name: 'bare-pod', description: 'a bare pod without an API token' },
  { name: 'best-effort', description: 'a pod without requests, which becomes Burstable' },
  {
    name: 'guaranteed',
    description: 'a Guaranteed pod, which stays Guaranteed',
    qosClass: 'Guaranteed',
  },
  {
    name: 'pod-resources',
    description: 'a pod that is Guaranteed by pod-level resources, which stays Guaranteed',
    qosClass: 'Guaranteed',
  },
  {
    name: 'pod-resources-exact',
    description: 'pod-level resources that are exactly those of the containers',
    qosClass: 'Guaranteed',
  },
  {
    name: 'mesh',
    description: 'native sidecars before and after the injected one',
    initContainers: ['istio-proxy', SIDECAR, 'istio-validation', 'log-shipper'],
  },
  {
    name: 'mesh-classic',
    description: 'a proxy container, which is not a consumer',
    requests: [buildRead('agent'), buildRead('istio-proxy', NO_CREDENTIALS)],
  },
  {
    name: 'init-containers',
    description: 'ordinary init containers',
    initContainers: [SIDECAR, 'migrate', 'warm-up'],
  },
  {
    name: 'init-consumer',
    description: 'an init container that is a consumer',
    workers: ['fetch'],
    initContainers: [SIDECAR, 'fetch'],
  },
  {
    name: 'two-consumers',
    description: 'two consumers with a task each',
    requests: [
      buildRead('reader'),
      buildWrite('reader', NOT_ALLOWED),
      buildWrite('writer'),
      buildRead('writer', NOT_ALLOWED),
    ],
  },
  {
    name: 'bystander',
    description: 'a container that is not a consumer',
    requests: [buildRead('agent'), buildRead('exporter', NO_CREDENTIALS)],
  },
  { name: 'own-volumes', description: 'its own volumes, including a token for its own service' },
  { name: 'restricted', description: 'Pod Security restricted', namespaceKind: 'restricted' },
  { name: 'read-only-root', description: 'a read-only root' },
  {
    name: 'groups',
    description: 'its own users, fsGroup and groups',
    requests: [buildRead('agent'), buildRead('second')],
  },
  { name: 'scheduling', description: 'priority, tolerations, affinity, spread, aliases' },
  { name: 'probes', description: 'its own probes, hooks and grace period' },
  { name: 'memory-volume', description: 'a volume in memory' },
  { name: 'environment', description: 'settings from a ConfigMap, a Secret and the pod itself' },
  { name: 'large-annotations', description: 'annotations of 100 KiB' },
  { name: 'pull-secret', description: 'an imagePullSecret' },
  {
    name: 'quota',
    description: 'a LimitRange with a ratio, and a ResourceQuota',
    namespaceKind: 'quota',
  },
  {
    name: 'several-tasks',
    description: 'several tasks, one of which is the default',
    requests: [
      buildRead('agent'),
      buildWrite('agent', NOT_ALLOWED),
      { ...buildWrite('agent'), task: 'file' },
    ],
  },
  { name: 'sub-path', description: 'subPath mounts of its volumes' },
  { name: 'ephemeral-storage', description: 'requests for ephemeral storage' },
];
