/** One fault: what is promised, what is done to the programs, and what it means to people. */
export type FaultCase = {
  /** The promise, one sentence. */
  readonly sentence: string;
  readonly fault: string;
  /** What an agent or a user sees during the fault. */
  readonly seen: string;
  readonly lost: string;
  /** Requests fail until a person has acted, however often they are repeated: `lost` says so. */
  readonly losesRequests?: boolean;
  /** Lines of the journal of calls, or their records, are lost: `lost` says which. */
  readonly losesLines?: boolean;
  /** What a person has to do; `none`. */
  readonly hand: string;
  /** The objectives of docs/slo.md whose budget it uses. */
  readonly objectives: readonly Objective[];
  /**
   * The end-to-end test, below e2e/tests, that shows it on a cluster with a real cloud. It has the figures of the
   * faults of `CLUSTER_FAULTS`; those of `PROCESS_FAULTS` have an API server in memory and an STS that can fail.
   */
  readonly test?: string;
};

export type Objective = 'admission' | 'issuing' | 'serving' | 'revocation';

const NOTHING = 'nothing';
const NONE = 'none';

/** Every fault that is applied and measured, in the order of docs/reliability.md. */
export const FAULT_CASES = {
  'sidecar-killed': {
    sentence:
      'A sidecar that is killed at random under 50 requests for credentials and 50 calls per second loses none of them.',
    fault: 'SIGKILL at five random times; the program starts again at once.',
    seen: 'Connections are refused until it listens; a request or a call that is repeated succeeds, with the same keys. It starts a new run. After repeated kills the kubelet waits longer before each start, up to five minutes.',
    lost: 'runs that were held in its memory; credentials that were handed out stay valid until their end. Of the [journal](audit.md#the-journal-of-calls): lines of calls in flight, and the records `run.calls` of the runs that it held, whose lines remain',
    losesLines: true,
    hand: NONE,
    objectives: ['serving'],
    test: 'tasks.e2e.ts',
  },
  'authority-killed': {
    sentence: 'While no replica of the authority runs, agents work on with the runs they have.',
    fault: 'SIGKILL to the only replica, which starts again after 20 s; runs of 600 s.',
    seen: 'Credentials are served. A new run gets 503 with Retry-After.',
    lost: 'which runs end if their pod is killed later (ADR 0011): they end at their deadline',
    hand: NONE,
    objectives: ['issuing', 'revocation'],
    test: 'serial/authority/authority-down.e2e.ts',
  },
  'authority-outage': {
    sentence:
      'An outage of the authority that outlasts a run ends in 503, never in ended credentials, and a Revocation of that time acts after it.',
    fault:
      'SIGKILL to the only replica, which starts again after 40 s; runs of 20 s. Meanwhile a run of 600 s is revoked.',
    seen: 'Credentials and calls until the end of their run, then 503 with Retry-After. Requests that are repeated succeed after the outage. Calls of the revoked run pass until the sidecar’s event stream is back, at most 11 s after a replica is ready; then 403.',
    lost: NOTHING,
    hand: NONE,
    objectives: ['issuing', 'serving', 'revocation'],
    test: 'serial/authority/authority-down.e2e.ts',
  },
  'sts-slow': {
    sentence: 'A slow STS delays new runs only.',
    fault: 'STS answers after 15 s; then it accepts requests and never answers.',
    seen: 'Current runs are served. A new run gets 503 with Retry-After in less than the time-out of an SDK.',
    lost: NOTHING,
    hand: NONE,
    objectives: ['issuing'],
  },
  'sts-failing': {
    sentence: 'A failing STS delays new runs only.',
    fault: 'STS answers 500 InternalFailure.',
    seen: 'Current runs are served. A new run gets 503 with Retry-After.',
    lost: NOTHING,
    hand: NONE,
    objectives: ['issuing'],
    test: 'serial/authority/sts-down.e2e.ts',
  },
  'sts-throttling': {
    sentence: 'An STS that throttles delays new runs only.',
    fault: 'STS answers 400 Throttling.',
    seen: 'Current runs are served. A new run gets 503 with Retry-After.',
    lost: NOTHING,
    hand: NONE,
    objectives: ['issuing'],
  },
  'sts-garbage': {
    sentence: 'What STS answers is served only if it is complete and valid.',
    fault:
      'STS answers 200 with a page of HTML, then with half of a response, then with credentials that ended a minute ago.',
    seen: 'Current runs are served. A new run gets 503; for ended credentials 403 `clock_skew`.',
    lost: NOTHING,
    hand: NONE,
    objectives: ['issuing'],
  },
  'node-clock': {
    sentence: 'A node clock that is wrong by ten minutes stops runs instead of stretching them.',
    fault:
      'libfaketime shifts the time of day of one program by ±10 minutes, and by 4 minutes back, but not its monotonic clock. The clock of the machine itself is not changed.',
    seen: 'No run starts: 403 `clock_skew` or `token_not_yet_valid`. Certificates are valid from five minutes before they are signed: a sidecar whose clock is further behind that of the authority rejects a new one as not yet valid, and answers 503 with Retry-After until the certificate is old enough; the message names the certificate and the clocks.',
    lost: 'new runs on that node',
    losesRequests: true,
    hand: 'Correct the clock of the node. [ValetkeyClockSkew](runbooks/ValetkeyClockSkew.md) names it, once an exchange could measure it.',
    objectives: ['issuing', 'serving'],
  },
  'audit-disk-full': {
    sentence: 'No run starts that cannot be recorded.',
    fault:
      'Other data fills the volume of the audit records to the last byte, and is removed again. Meanwhile a run ends whose calls are not recorded yet.',
    seen: 'Current runs are served, and their calls pass. A new run gets 503 `audit_unavailable`, or `exchange_in_progress` with this code in its message. Records of calls wait in the sidecars.',
    lost: NOTHING,
    hand: 'Free or enlarge the volume: [ValetkeyAuditVolumeExhausted](runbooks/ValetkeyAuditVolumeExhausted.md). The authority needs no restart.',
    objectives: ['issuing'],
  },
  'token-file': {
    sentence:
      'A token file that is missing, empty or cut stops new runs only, and rotation stops none.',
    fault:
      'The file is removed, emptied, cut in half; then the kubelet’s rename replaces it about every millisecond while runs start.',
    seen: 'Current runs are served. A new run gets 503 `token_unreadable`, or 403 `token_malformed`, which the sidecar remembers for 5 s. During rotation every run starts.',
    lost: NOTHING,
    hand: NONE,
    objectives: ['issuing'],
  },
  'memory-limit': {
    sentence:
      'Under the memory limit of the chart, a consumer cannot make the kernel kill the sidecar.',
    fault:
      'The sidecar runs in a cgroup of 128 MiB, under 50 requests per second and 500 connections with unfinished requests.',
    seen: 'Some requests of the consumer that opens the connections fail at first and succeed when they are repeated.',
    lost: NOTHING,
    hand: NONE,
    objectives: ['serving'],
  },
  'memory-exhausted': {
    sentence: 'A program that the kernel kills at its memory limit starts again.',
    fault:
      'The limit of the sidecar, the authority and the webhook, one after another, is lowered to what the program uses. After the kill it starts again with the limit of the chart.',
    seen: 'The container is restarted with the reason `OOMKilled`. Of the sidecar: connections are refused until it listens. Of the only replica of the authority: a new run gets 503 with Retry-After. Of the only replica of the webhook: pods with tasks are not created; controllers repeat it. Requests that are repeated succeed.',
    lost: 'the same as when the [sidecar](#sidecar-killed) or the [authority](#authority-killed) is killed otherwise',
    losesLines: true,
    hand: 'If it repeats, raise the limit, or look for what needs the memory.',
    objectives: ['admission', 'issuing', 'serving', 'revocation'],
  },
  'keys-restored': {
    sentence: 'The authority continues with Secrets that were restored from a backup.',
    fault:
      'Its Secrets (CA, signing keys, audit keys) are deleted, its only process is killed, and the Secrets are created again from a backup. One run is revoked before, another one while the Secrets are lost.',
    seen: 'Current runs are served. A new run gets 503 until the Secrets are back. The first revoked run stays refused; the second one is refused at most 11 s after a replica is ready.',
    lost: 'nothing, with a backup that is not older than the last rotation',
    hand: 'Restore the Secrets: [below](#restore-the-secrets-of-the-authority).',
    objectives: ['issuing', 'revocation'],
  },
  soak: {
    sentence: 'Memory and handles stay flat.',
    fault:
      'None: 50 requests for credentials and 50 calls per second, with runs of 30 s that are renewed, and further runs that are started and completed.',
    seen: NOTHING,
    lost: NOTHING,
    hand: NONE,
    objectives: [],
  },
  'webhook-killed': {
    sentence:
      'A replica of the webhook that is killed delays pods and admits none without its sidecar.',
    fault: 'SIGKILL to one of two replicas during 3,000 creations of pods, 32 at a time.',
    seen: 'Some creations fail with `failed calling webhook` until the API server no longer calls the replica; controllers repeat them.',
    lost: NOTHING,
    hand: NONE,
    objectives: ['admission'],
    test: 'disruption/load/replica-killed.e2e.ts',
  },
  'api-server-restarted': {
    sentence: 'Runs continue while the API server restarts.',
    fault:
      'The only API server is stopped for 30 s. No pod can be created meanwhile, with or without Valetkey.',
    seen: 'Current runs are served. A new run gets 503 with Retry-After.',
    lost: NOTHING,
    hand: NONE,
    objectives: ['issuing'],
    test: 'disruption/faults.e2e.ts',
  },
  'etcd-restored': {
    sentence:
      'A restore of etcd from an older snapshot lifts no Revocation, and all programs follow the restored state.',
    fault:
      'The API server and etcd are stopped, and etcd is restored from a snapshot that is 3,000 writes older and has neither a Revocation nor a TaskPolicy that were created since. No pod is restarted.',
    seen: 'Current runs are served. A new run gets 503 with Retry-After. What was revoked stays revoked, also at the cloud; the authority creates the lost Revocation again.',
    lost: 'what was created or changed after the snapshot, except for Revocations',
    hand: 'Apply changes of policies and rotations of keys again: [below](#after-a-restore-of-etcd). Revocations only if neither a replica of the authority nor its volume is left.',
    objectives: ['issuing', 'revocation'],
    test: 'disruption/etcd-restored.e2e.ts',
  },
  'network-cut': {
    sentence: 'A pod that cannot reach the authority keeps its runs until their end.',
    fault: 'iptables drops all packets between one pod and the authority for 30 s.',
    seen: 'Current runs are served, unless `authority.disconnectTimeout` is set. A new run gets 503.',
    lost: NOTHING,
    hand: NONE,
    objectives: ['issuing', 'serving', 'revocation'],
    test: 'disruption/faults.e2e.ts',
  },
} as const satisfies Readonly<Record<string, FaultCase>>;

export type FaultId = keyof typeof FAULT_CASES;

export const listFaults = (): readonly (FaultCase & { readonly id: FaultId })[] =>
  Object.entries(FAULT_CASES).map(([id, given]) => ({ ...given, id: id as FaultId }));
