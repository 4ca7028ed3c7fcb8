/** What one container asks of the cloud, and what is to come of it. */
export type Errand = {
  readonly container: string;
  readonly operation: 'get' | 'put';
  readonly bucket: string;
  readonly key: string;
  /** Of the credentials of this task, asked for by name. Absent: what the SDK finds. */
  readonly task?: string;
  readonly answer: { readonly status: number; readonly code?: string };
};

/** A manifest of this folder, and what is to become of it. */
export type Workload = {
  /** The manifest's name, and the label `app` of its pods. */
  readonly name: string;
  readonly shows: string;
  /** Where its team works: a namespace whose platform asks for more than usual. */
  readonly place?: Place;
  /** Absent: 1. */
  readonly pods?: number;
  /** Its pods complete; absent: they stay and are Ready. */
  readonly completes?: true;
  /** Absent: the container `agent` reads a report. */
  readonly errands?: readonly Errand[];
  /** Containers that read a report by themselves, and end. */
  readonly workers?: readonly string[];
  /** Of its pods, as Kubernetes sees it. Absent: Burstable, since the sidecar asks for resources. */
  readonly quality?: 'Guaranteed';
  /** Of the final pod, in their order. Absent: the sidecar alone. */
  readonly initContainers?: readonly string[];
};

export const PLACES = ['team', 'restricted', 'quota'] as const;
export type Place = (typeof PLACES)[number];

const OK = { status: 200 };
const NOT_ALLOWED = { status: 403 };
/** As an unmodified SDK says that it found none. */
const NO_CREDENTIALS = { status: 0, code: 'CredentialsProviderError' };

type Answer = Errand['answer'];

const reads = (container: string, answer: Answer = OK): Errand => ({
  container,
  operation: 'get',
  bucket: 'acme-data',
  key: 'reports/q3.csv',
  answer,
});

const files = (container: string, answer: Answer = OK): Errand => ({
  container,
  operation: 'put',
  bucket: 'acme-other',
  key: 'inbox/note.txt',
  answer,
});

export const errandsOf = ({ errands, completes }: Workload): readonly Errand[] =>
  errands ?? (completes === true ? [] : [reads('agent')]);

export const initContainersOf = ({ initContainers }: Workload): readonly string[] =>
  initContainers ?? [SIDECAR];

const SIDECAR = 'valetkey-sidecar';

/** What normal teams deploy: each is admitted, runs, and gets what it declares. */
export const WORKLOADS: readonly Workload[] = [
  { name: 'deployment', shows: 'a Deployment with two replicas', pods: 2 },
  { name: 'job', shows: 'a Job completes', completes: true, workers: ['agent'] },
  {
    name: 'cron-job',
    shows: 'a CronJob, started by hand, completes',
    completes: true,
    workers: ['agent'],
  },
  { name: 'stateful-set', shows: 'a StatefulSet' },
  { name: 'daemon-set', shows: 'a DaemonSet' },
  { name: 'replica-set', shows: 'a ReplicaSet without a Deployment' },
  { name: 'bare-pod', shows: 'a bare pod that wants no API token' },
  { name: 'best-effort', shows: 'a pod without requests, which becomes Burstable' },
  { name: 'guaranteed', shows: 'a Guaranteed pod, which stays so', quality: 'Guaranteed' },
  {
    name: 'pod-resources',
    shows: 'a pod that is Guaranteed by resources of its own, which stays so',
    quality: 'Guaranteed',
  },
  {
    name: 'mesh',
    shows: 'native sidecars before and after ours',
    initContainers: ['istio-proxy', SIDECAR, 'istio-validation', 'log-shipper'],
  },
  {
    name: 'mesh-classic',
    shows: 'a proxy among the containers, which is no consumer',
    errands: [reads('agent'), reads('istio-proxy', NO_CREDENTIALS)],
  },
  {
    name: 'init-containers',
    shows: 'ordinary init containers',
    initContainers: [SIDECAR, 'migrate', 'warm-up'],
  },
  {
    name: 'init-consumer',
    shows: 'an init container that is a consumer',
    workers: ['fetch'],
    initContainers: [SIDECAR, 'fetch'],
  },
  {
    name: 'two-consumers',
    shows: 'two consumers with a task each',
    errands: [
      reads('reader'),
      files('reader', NOT_ALLOWED),
      files('writer'),
      reads('writer', NOT_ALLOWED),
    ],
  },
  {
    name: 'bystander',
    shows: 'a container that is no consumer',
    errands: [reads('agent'), reads('exporter', NO_CREDENTIALS)],
  },
  { name: 'own-volumes', shows: 'volumes of its own, with a token for a service of its own' },
  { name: 'restricted', shows: 'Pod Security restricted', place: 'restricted' },
  { name: 'read-only-root', shows: 'a read-only root' },
  {
    name: 'groups',
    shows: 'users, fsGroup and groups of its own',
    errands: [reads('agent'), reads('second')],
  },
  { name: 'scheduling', shows: 'priority, tolerations, affinity, spread, aliases' },
  { name: 'probes', shows: 'probes, hooks and a grace period of its own' },
  { name: 'memory-volume', shows: 'a volume in memory' },
  { name: 'environment', shows: 'settings from a ConfigMap, a Secret and the pod itself' },
  { name: 'large-annotations', shows: 'annotations of 100 KiB' },
  { name: 'pull-secret', shows: 'an imagePullSecret' },
  { name: 'quota', shows: 'a LimitRange and a ResourceQuota', place: 'quota' },
  {
    name: 'several-tasks',
    shows: 'several tasks, of which one is the default',
    errands: [reads('agent'), files('agent', NOT_ALLOWED), { ...files('agent'), task: 'file' }],
  },
  { name: 'sub-path', shows: 'mounts of parts of its volumes' },
  { name: 'ephemeral-storage', shows: 'requests for ephemeral storage' },
];
