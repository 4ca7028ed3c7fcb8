import type { TestBuildName } from './test-builds.ts';

/** A matrix entry: a cloud that trusts the authority, or (`-cluster`) the cluster itself. */
export const entryNames = ['minio', 'rgw', 'minio-cluster', 'rgw-cluster'] as const;
export type EntryName = (typeof entryNames)[number];

/**
 * Groups of one entry, in the order in which they run. `main` runs its files in parallel; the others run
 * one file at a time: `serial` disturbs or inspects what other tests use, `disruption` replaces keys
 * and kills processes, `metrics` queries the Prometheus that has scraped the entry from its start, `guide` installs
 * the chart again, as the documentation says.
 */
export const groupNames = ['main', 'serial', 'disruption', 'metrics', 'guide'] as const;
export type GroupName = (typeof groupNames)[number];

export type TestFile = {
  /** Path below e2e/tests; its first folder is the group, otherwise `main`. */
  readonly file: string;
  readonly entries: readonly EntryName[];
  /** Entries that `--full` adds. */
  readonly fullEntries?: readonly EntryName[];
  /** Reads files or keys of the node, or stops its processes: skipped on an external cluster. */
  readonly needsNode?: true;
  /** What must be built before it: a test cannot download. */
  readonly builds?: readonly TestBuildName[];
  /** Why these entries: what each one alone shows. */
  readonly reason: string;
};

const NO_CLOUD = 'no cloud takes part';
const REFUSED_FIRST = 'the authority refuses these requests before it calls a cloud';
const ONE_ADMISSION = 'admission does not depend on the cloud';

/** Where each end-to-end test file runs. */
export const testFiles: readonly TestFile[] = [
  {
    file: 'tasks.e2e.ts',
    entries: ['minio', 'rgw', 'minio-cluster', 'rgw-cluster'],
    reason: 'each cloud checks tokens and session policies itself, from each issuer',
  },
  {
    file: 'awscli.e2e.ts',
    entries: ['rgw', 'minio-cluster'],
    reason: 'once for each cloud and each kind of trust',
  },
  {
    file: 'unmodified-clients.e2e.ts',
    entries: ['minio-cluster'],
    reason: 'their cloud is the embedded one',
  },
  {
    file: 'read-timeouts.e2e.ts',
    entries: [],
    fullEntries: ['minio-cluster'],
    builds: ['sign clients'],
    reason: 'waits for more than a minute; the cloud of its clients answers nothing',
  },
  {
    file: 'log-rotation.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: 'the kubelet alone',
  },
  {
    file: 'operations.e2e.ts',
    entries: ['minio-cluster'],
    reason: 'recognition is compared with botocore alone',
  },
  {
    file: 'moto.e2e.ts',
    entries: ['minio-cluster'],
    builds: ['moto', 'kinesis'],
    reason: 'its cloud is moto, on the machine that runs the tests',
  },
  {
    file: 'refusals.e2e.ts',
    entries: ['minio-cluster'],
    reason: 'refusals are parsed by botocore alone',
  },
  {
    file: 'sdk-refusals.e2e.ts',
    entries: [],
    fullEntries: ['minio-cluster'],
    builds: ['refusal clients'],
    reason: 'refusals are parsed by the SDKs alone, whose clients have to be built',
  },
  {
    file: 'postgres.e2e.ts',
    entries: ['minio-cluster'],
    needsNode: true,
    builds: ['postgres clients'],
    reason: NO_CLOUD,
  },
  {
    file: 'postgres-versions.e2e.ts',
    entries: [],
    fullEntries: ['minio-cluster'],
    needsNode: true,
    builds: ['postgres clients', 'postgres versions'],
    reason: 'the other versions of the server, which are installed from npm',
  },
  {
    file: 'cloud-cases.e2e.ts',
    entries: ['minio-cluster', 'rgw-cluster'],
    needsNode: true,
    reason: 'varies the tokens of the cluster, which a cloud that trusts the authority rejects',
  },
  {
    file: 'admission.e2e.ts',
    entries: ['minio'],
    fullEntries: ['minio-cluster'],
    reason: ONE_ADMISSION,
  },
  { file: 'admission-policies.e2e.ts', entries: ['minio'], reason: ONE_ADMISSION },
  { file: 'attacks.e2e.ts', entries: ['minio'], reason: ONE_ADMISSION },
  { file: 'hostile-consumer.e2e.ts', entries: ['minio'], reason: NO_CLOUD },
  { file: 'legitimate.e2e.ts', entries: ['minio'], reason: ONE_ADMISSION },
  {
    file: 'vault-source.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    builds: ['vault'],
    reason: 'building Vault takes minutes; its sources are tested by themselves',
  },
  {
    file: 'vault-clients.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    builds: ['vault'],
    reason: 'building Vault takes minutes; its clients need no cluster',
  },
  {
    file: 'keycloak-source.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    builds: ['keycloak'],
    reason: 'its distribution is large and takes minutes to start; its tokens are tested alone',
  },
  {
    file: 'authority/approval-objects.e2e.ts',
    entries: ['minio'],
    reason: 'the API server itself refuses, and no cloud takes part',
  },
  {
    file: 'authority/approvals.e2e.ts',
    entries: ['minio'],
    reason: 'people and policies decide, whatever the cloud is',
  },
  {
    file: 'authority/call-approvals.e2e.ts',
    entries: ['minio'],
    fullEntries: ['rgw'],
    reason: 'approvals of single calls need the API server, and each cloud reads its own calls',
  },
  {
    file: 'authority/console.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    builds: ['chromium'],
    reason: NO_CLOUD,
  },
  { file: 'authority/upstreams.e2e.ts', entries: ['minio'], reason: ONE_ADMISSION },
  {
    file: 'authority/audit.e2e.ts',
    entries: ['rgw'],
    needsNode: true,
    reason: 'only RGW keeps a log of its own, which the timeline includes',
  },
  {
    file: 'authority/concurrent-first-runs.e2e.ts',
    entries: ['rgw'],
    reason: 'only RGW creates a user at the first exchange, and reports a conflict (409)',
  },
  {
    file: 'authority/policy.e2e.ts',
    entries: ['minio'],
    fullEntries: ['rgw'],
    reason: REFUSED_FIRST,
  },
  { file: 'authority/revocation.e2e.ts', entries: ['minio'], reason: NO_CLOUD },
  {
    file: 'authority/revocation-cloud.e2e.ts',
    entries: ['rgw'],
    reason: 'only RGW has roles that deny single sessions',
  },
  {
    file: 'authority/tokens.e2e.ts',
    entries: ['minio'],
    fullEntries: ['rgw'],
    needsNode: true,
    reason: REFUSED_FIRST,
  },
  {
    file: 'authority/trust.e2e.ts',
    entries: ['minio', 'rgw'],
    needsNode: true,
    reason: 'each cloud rejects tokens of other issuers itself; only RGW evaluates sub and tags',
  },
  {
    file: 'authority/user-token.e2e.ts',
    entries: ['minio'],
    fullEntries: ['rgw'],
    needsNode: true,
    reason: REFUSED_FIRST,
  },
  {
    file: 'authority/wire.e2e.ts',
    entries: ['minio'],
    fullEntries: ['rgw'],
    reason: REFUSED_FIRST,
  },
  {
    file: 'gateway/clients.e2e.ts',
    entries: ['minio-cluster', 'rgw-cluster'],
    needsNode: true,
    reason:
      'each cloud verifies and parses the re-framed bodies itself; all clients on one of them',
  },
  {
    file: 'gateway/more-clients.e2e.ts',
    entries: ['minio-cluster'],
    needsNode: true,
    builds: ['sign clients'],
    reason: 'what these clients send does not depend on the cloud',
  },
  {
    file: 'gateway/rust-client.e2e.ts',
    entries: [],
    fullEntries: ['minio-cluster'],
    needsNode: true,
    builds: ['rust'],
    reason: 'building the SDK for Rust takes minutes',
  },
  {
    file: 'gateway/framework-tools.e2e.ts',
    entries: [],
    fullEntries: ['minio-cluster'],
    needsNode: true,
    builds: ['frameworks'],
    reason: 'their tools call boto3, which each entry tests; installing them takes a minute',
  },
  {
    file: 'gateway/guide-programs.e2e.ts',
    entries: ['minio-cluster'],
    needsNode: true,
    builds: ['guide programs'],
    reason: 'what the programs of the guides send does not depend on the cloud',
  },
  {
    file: 'gateway/held-keys.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: 'only MinIO stores the keys that it issues in files that can be read',
  },
  {
    file: 'gateway/core-dump.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    needsNode: true,
    builds: ['debugger'],
    reason: 'only MinIO stores the keys that it issues; their memory is searched in each run',
  },
  {
    file: 'gateway/long-stream.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    reason: 'takes more than two minutes; the gateway moves the call to the next run',
  },
  {
    file: 'gateway/upgrades.e2e.ts',
    entries: [],
    fullEntries: ['minio-cluster'],
    needsNode: true,
    reason:
      'the gateway answers them, whatever the cloud is; the form of the request is tested alone',
  },
  {
    file: 'gateway/hostile-consumer.e2e.ts',
    entries: ['minio'],
    reason: 'the gateway refuses these requests before it calls the cloud',
  },
  {
    file: 'gateway/fixed-key.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: NO_CLOUD,
  },
  {
    file: 'gateway/upstream-model.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: NO_CLOUD,
  },
  {
    file: 'gateway/upstream-model-clients.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    builds: ['model clients'],
    reason: NO_CLOUD,
  },
  {
    file: 'gateway/upstream-bodies.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: NO_CLOUD,
  },
  {
    file: 'gateway/upstream-postgres.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: NO_CLOUD,
  },
  {
    file: 'gateway/upstream-mcp.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    builds: ['mcp'],
    reason: NO_CLOUD,
  },
  {
    file: 'gateway/upstream-git.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: NO_CLOUD,
  },
  { file: 'gateway/revoked-upload.e2e.ts', entries: ['minio'], reason: 'the gateway cuts it' },
  {
    file: 'gateway/delegation.e2e.ts',
    entries: ['minio'],
    reason: 'the authority compares scopes, and the gateways cut',
  },
  {
    file: 'gateway/proposals.e2e.ts',
    entries: ['minio'],
    reason: 'sidecar, authority and API server decide, whatever the cloud is',
  },
  {
    file: 'gateway/posture.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    reason: 'waits for two minutes; sidecar and authority write the records, whatever the cloud is',
  },
  {
    file: 'gateway/sign.e2e.ts',
    entries: ['minio', 'rgw'],
    fullEntries: ['minio-cluster'],
    reason:
      'each cloud parses the signed and re-framed calls itself; clients.e2e.ts has the other trust',
  },
  {
    file: 'serial/authority/authority-down.e2e.ts',
    entries: ['minio'],
    reason: 'the cloud keeps running',
  },
  {
    file: 'serial/authority/bypass.e2e.ts',
    entries: ['minio'],
    fullEntries: ['rgw'],
    reason: REFUSED_FIRST,
  },
  {
    file: 'authority/smoke-test.e2e.ts',
    entries: ['minio'],
    fullEntries: ['rgw'],
    reason: 'the probe asks the cloud, and each cloud enforces by itself',
  },
  {
    file: 'serial/gitops.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    reason: NO_CLOUD,
  },
  {
    file: 'serial/authority/check.e2e.ts',
    entries: ['minio'],
    reason: NO_CLOUD,
  },
  {
    file: 'serial/authority/flood.e2e.ts',
    entries: ['minio'],
    fullEntries: ['rgw'],
    needsNode: true,
    reason: REFUSED_FIRST,
  },
  { file: 'serial/authority/policy.e2e.ts', entries: ['minio'], reason: REFUSED_FIRST },
  {
    file: 'serial/authority/sts-down.e2e.ts',
    entries: ['minio', 'rgw'],
    needsNode: true,
    reason: 'each cloud comes back in its own way',
  },
  {
    file: 'serial/log-level.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    reason: 'the kubelet takes minutes to update a mounted ConfigMap',
  },
  { file: 'serial/other-clouds.e2e.ts', entries: ['minio'], reason: ONE_ADMISSION },
  {
    file: 'serial/secrecy.e2e.ts',
    entries: ['rgw', 'rgw-cluster'],
    reason: 'the last entry of each kind of trust: searches for the secrets of all entries so far',
  },
  {
    file: 'serial/upstream-secrets.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: NO_CLOUD,
  },
  {
    file: 'serial/webhook-down.e2e.ts',
    entries: ['minio'],
    fullEntries: ['minio-cluster'],
    reason: ONE_ADMISSION,
  },
  {
    file: 'disruption/authority.e2e.ts',
    entries: ['minio', 'rgw'],
    needsNode: true,
    reason: 'MinIO caches all signing keys, RGW reads the first one for each request',
  },
  {
    file: 'disruption/etcd-restored.e2e.ts',
    entries: [],
    fullEntries: ['rgw'],
    needsNode: true,
    builds: ['etcdctl'],
    reason: 'restarts the control plane twice; only RGW has roles that deny single sessions',
  },
  {
    file: 'disruption/faults.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    needsNode: true,
    reason: 'measures outages of minutes; the cloud keeps running',
  },
  {
    file: 'disruption/chart-upgrade.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    needsNode: true,
    reason: ONE_ADMISSION,
  },
  {
    file: 'disruption/tracing.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    needsNode: true,
    builds: ['collector'],
    reason: 'the programs and their collector, whatever the cloud is; two rollouts',
  },
  { file: 'disruption/vend-exception.e2e.ts', entries: ['minio'], reason: REFUSED_FIRST },
  {
    file: 'disruption/webhook-rollout.e2e.ts',
    entries: ['minio'],
    fullEntries: ['minio-cluster'],
    reason: ONE_ADMISSION,
  },
  { file: 'disruption/load/oversized-pods.e2e.ts', entries: ['minio'], reason: ONE_ADMISSION },
  {
    file: 'disruption/load/replica-killed.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: ONE_ADMISSION,
  },
  {
    file: 'metrics/dashboards.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    needsNode: true,
    builds: ['prometheus'],
    reason: 'most features are tested on MinIO, so that most queries have data there',
  },
  {
    file: 'metrics/alerts.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    needsNode: true,
    builds: ['prometheus'],
    reason: 'each fault is caused, and its alert has to fire and to end: minutes',
  },
  {
    file: 'guide/minio.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: 'follows docs/minio.md, with a MinIO in the cluster',
  },
  {
    file: 'guide/quickstart.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: 'follows docs/quickstart.md, with a MinIO in the cluster',
  },
  {
    file: 'guide/readme.e2e.ts',
    entries: ['minio'],
    needsNode: true,
    reason: 'follows README.md, whose installation needs no cloud',
  },
  {
    file: 'guide/on-premises.e2e.ts',
    entries: [],
    fullEntries: ['rgw'],
    needsNode: true,
    reason: 'follows docs/guides/on-premises.md on Ceph RGW; CI installs docs/minio.md',
  },
  {
    file: 'guide/first-hour.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    needsNode: true,
    reason: 'follows docs/first-hour.md, whose installation docs/quickstart.md has in CI',
  },
  {
    file: 'guide/release.e2e.ts',
    entries: [],
    fullEntries: ['minio'],
    needsNode: true,
    builds: ['release'],
    reason: 'installs the release, whose build takes minutes, with a MinIO in the cluster',
  },
];

/** What decides, besides the entry, which files run. */
export type SelectionOptions = {
  readonly isFull: boolean;
  /** The cluster runs on this machine, so its node's files and processes can be reached. */
  readonly hasNode: boolean;
  /** Regular expression over paths such as `/e2e/tests/tasks.e2e.ts`. */
  readonly only?: string | undefined;
};

/** Lists the test files of one entry; an unknown entry has none. */
export const selectFiles = (
  entry: string,
  { isFull, hasNode, only = '' }: SelectionOptions,
): TestFile[] => {
  const pattern = new RegExp(only, 'i');
  return testFiles.filter(({ file, entries, fullEntries = [], needsNode }) => {
    const all: readonly string[] = isFull ? [...entries, ...fullEntries] : entries;
    const isPossible = hasNode || needsNode === undefined;
    return isPossible && all.includes(entry) && pattern.test(`/e2e/tests/${file}`);
  });
};

/** Lists what the test files of the entries need to be built, each once, and in a complete run the chart check. */
export const listBuilds = (
  entries: readonly string[],
  options: SelectionOptions,
): TestBuildName[] => [
  ...new Set<TestBuildName>([
    ...(options.only === undefined ? (['promtool'] as const) : []),
    ...entries.flatMap((entry) => selectFiles(entry, options).flatMap(({ builds = [] }) => builds)),
  ]),
];

export const getGroup = ({ file }: Pick<TestFile, 'file'>): GroupName =>
  groupNames.find((name) => file.startsWith(`${name}/`)) ?? 'main';

/** Lists the groups of one entry that have a test file, in the order in which they run. */
export const listGroups = (entry: string, options: SelectionOptions): GroupName[] => {
  const used = new Set(selectFiles(entry, options).map(getGroup));
  return groupNames.filter((name) => used.has(name));
};

/** The result file of one group: `e2e-minio-main.json`. */
export const formatResultName = (entry: string, group: GroupName): string =>
  `e2e-${entry}-${group}.json`;

/** The result file of the chart check. */
export const CHART_RESULT_NAME = 'e2e-chart.json';

/** The result file of the faults that need no cluster. */
export const FAULTS_RESULT_NAME = 'e2e-faults.json';

/** Every result file that a complete run of `make e2e` leaves. */
export const listResultNames = (): string[] => [
  FAULTS_RESULT_NAME,
  CHART_RESULT_NAME,
  ...entryNames.flatMap((entry) =>
    listGroups(entry, { isFull: false, hasNode: true }).map((group) =>
      formatResultName(entry, group),
    ),
  ),
];
