/** What one container asks of the cloud, and what is to come of it. */
export type CloudRequest = {
  readonly container: string;
  readonly operation: 'get' | 'put';
  readonly bucket: string;
  readonly key: string;
  /** Of the credentials of this task, asked for by name. Absent: what the SDK finds. */
  readonly task?: string;
  readonly expected: { readonly status: number; readonly code?: string };
};

/** A manifest of this folder, and what is to become of it. */
export type Workload = {
  /** The manifest's name, and the label `app` of its pods. */
  readonly name: string;
  readonly description: string;
  /** Where its team works: a namespace whose platform asks for more than usual. */
  readonly namespaceKind?: NamespaceKind;
  /** Absent: 1. */
  readonly pods?: number;
  /** Its pods complete; absent: they stay and are Ready. */
  readonly completes?: true;
  /** Absent: the container `agent` reads a report. */
  readonly requests?: readonly CloudRequest[];
  /** Containers that read a report by themselves, and end. */
  readonly workers?: readonly string[];
  /** Of its pods, as Kubernetes sees it. Absent: Burstable, since the sidecar asks for resources. */
  readonly qosClass?: 'Guaranteed';
  /** Of the final pod, in their order. Absent: the sidecar alone. */
  readonly initContainers?: readonly string[];
};

export const NAMESPACE_KINDS = ['team', 'restricted', 'quota'] as const;
export type NamespaceKind = (typeof NAMESPACE_KINDS)[number];

const OK = { status: 200 };
const NOT_ALLOWED = { status: 403 };
/** As an unmodified SDK says that it found none. */
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

/** What normal teams deploy: each is admitted, runs, and gets what it declares. */
export const WORKLOADS: readonly Workload[] = [
  { name: 'deployment', description: 'a Deployment with two replicas', pods: 2 },
  { name: 'job', description: 'a Job completes', completes: true, workers: ['agent'] },
  {
    name: 'cron-job',
    description: 'a CronJob, started by hand, completes',
    completes: true,
    workers: ['agent'],
  },
  { name: 'stateful-set', description: 'a StatefulSet' },
  { name: 'daemon-set', description: 'a DaemonSet' },
  { name: 'replica-set', description: 'a ReplicaSet without a Deployment' },
  { name: 'bare-pod', description: 'a bare pod that wants no API token' },
  { name: 'best-effort', description: 'a pod without requests, which becomes Burstable' },
  { name: 'guaranteed', description: 'a Guaranteed pod, which stays so', qosClass: 'Guaranteed' },
  {
    name: 'pod-resources',
    description: 'a pod that is Guaranteed by resources of its own, which stays so',
    qosClass: 'Guaranteed',
  },
  {
    name: 'mesh',
    description: 'native sidecars before and after ours',
    initContainers: ['istio-proxy', SIDECAR, 'istio-validation', 'log-shipper'],
  },
  {
    name: 'mesh-classic',
    description: 'a proxy among the containers, which is no consumer',
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
    description: 'a container that is no consumer',
    requests: [buildRead('agent'), buildRead('exporter', NO_CREDENTIALS)],
  },
  { name: 'own-volumes', description: 'volumes of its own, with a token for a service of its own' },
  { name: 'restricted', description: 'Pod Security restricted', namespaceKind: 'restricted' },
  { name: 'read-only-root', description: 'a read-only root' },
  {
    name: 'groups',
    description: 'users, fsGroup and groups of its own',
    requests: [buildRead('agent'), buildRead('second')],
  },
  { name: 'scheduling', description: 'priority, tolerations, affinity, spread, aliases' },
  { name: 'probes', description: 'probes, hooks and a grace period of its own' },
  { name: 'memory-volume', description: 'a volume in memory' },
  { name: 'environment', description: 'settings from a ConfigMap, a Secret and the pod itself' },
  { name: 'large-annotations', description: 'annotations of 100 KiB' },
  { name: 'pull-secret', description: 'an imagePullSecret' },
  { name: 'quota', description: 'a LimitRange and a ResourceQuota', namespaceKind: 'quota' },
  {
    name: 'several-tasks',
    description: 'several tasks, of which one is the default',
    requests: [
      buildRead('agent'),
      buildWrite('agent', NOT_ALLOWED),
      { ...buildWrite('agent'), task: 'file' },
    ],
  },
  { name: 'sub-path', description: 'mounts of parts of its volumes' },
  { name: 'ephemeral-storage', description: 'requests for ephemeral storage' },
];
