import { mkdtempSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CAPABILITIES,
  JWT_TYPE,
  TRUST_BUNDLE_CONFIG_MAP,
  CA_BUNDLE_KEY,
  TASK_DETAILS_TYPE,
  TOKEN_EXCHANGE_GRANT,
  TOKEN_PATH,
  type Gate,
  type TokenResponse,
} from '../lib/contract/authority-api.ts';
import {
  AUTHORITY_ENV as ENV,
  AUTHORITY_TUNING_ENV as TUNING,
  SIDECAR_ENV,
} from '../lib/contract/environment.ts';
import { INSTALLED } from '../lib/contract/names.ts';
import type { GatewayAccess } from '../lib/contract/platform.ts';
import { AUTHORITY_RUNTIME_ENV } from '../lib/contract/runtime.ts';
import type { AdmittedTasks } from '../lib/contract/task.ts';
import type { Connection } from '../lib/edge/authority/connection.ts';
import { TASK, readPodTasks, createPod, startBenchApiServer } from './authority-cluster.ts';
import { getCommand, getCompileCacheFolder } from './bench.ts';
import type { Bench } from './bench.ts';
import { findFreePorts } from '../test/kit/free-ports.ts';
import { sendGet, startProgram, waitUntilAnswered } from './measured-processes.ts';
import type {
  KillableProgram,
  MeasuredProgram,
  ProgramPlan,
  WrapCommand,
} from './measured-processes.ts';
import { buildGatewayEnvironment, type SidecarTrust } from './sidecar-process.ts';
import type { FakeSts } from './fake-sts.ts';

/** Our authority as a process, and the API server that it asks. */
export type AuthorityProcess = MeasuredProgram & {
  readonly cluster: Awaited<ReturnType<typeof startBenchApiServer>>;
  /** `https://localhost:port`, the endpoint that sidecars are configured with. */
  readonly endpoint: string;
  readonly target: string;
  /** The trust bundle that sidecars are configured with, PEM. */
  readonly roots: () => string;
  /** Bytes of its audit files. */
  readonly readAuditBytes: () => number;
  /** Kills the process, so that all its connections end at once. */
  readonly kill: () => Promise<void>;
  /** Starts it again after `kill`, and waits until it is ready. */
  readonly start: () => Promise<void>;
  /** Kills the process and starts it again. */
  readonly restart: () => Promise<void>;
  /** Answers at its telemetry port: `/readyz`, `/metrics`. */
  readonly readTelemetry: (path: string) => Promise<string>;
};

export type AuthorityOptions = {
  /**
   * `lifted`: no rate limits, to measure the maximum rate. `product`: the defaults, except those of one
   * address, because all clients of a benchmark share the address of this machine.
   */
  readonly limits?: 'lifted' | 'product';
  /** Default: a new folder. */
  readonly auditFolder?: string;
  /** Size of the volume of that folder, a Kubernetes quantity. Absent: it has no limit. */
  readonly auditVolume?: string;
  /** The platform's settings of tasks, YAML. */
  readonly tasks?: string;
  /** How the process is started, given its command: default as it is. */
  readonly wrap?: WrapCommand;
};

const UNLIMITED = '9999999';
const ADDRESS_LIMITS = [TUNING.peerRate, TUNING.connectionsPerPeer];
const OTHER_LIMITS = [
  TUNING.podRate,
  TUNING.callRate,
  TUNING.serviceAccountRate,
  TUNING.namespaceRate,
  TUNING.namespaceAuditMebibytes,
];

/** Its keys, certificates and policies come first; a busy machine takes its time. */
const READY_TIMEOUT_MS = 120_000;

/** Starts the authority as it is built, with records in a file, and waits until it is ready. */
export async function startAuthority(
  bench: Bench,
  sts: FakeSts,
  {
    limits = 'lifted',
    auditFolder,
    auditVolume,
    tasks = TASKS,
    wrap = (plan) => plan,
  }: AuthorityOptions = {},
): Promise<AuthorityProcess> {
  const folder = mkdtempSync(join(bench.folder, 'authority-'));
  const [port = 0, telemetryPort = 0] = await findFreePorts(2);
  const endpoint = `https://localhost:${port}`;
  const cluster = await startBenchApiServer();
  const files = { platform: join(folder, 'platform.yaml'), kubeconfig: join(folder, 'kubeconfig') };
  const { namespace, authority: name } = INSTALLED;
  writeFileSync(files.platform, buildPlatform(endpoint, sts.url, tasks));
  writeFileSync(
    files.kubeconfig,
    cluster.buildKubeconfigFor(`system:serviceaccount:${namespace}:${name}`),
    { mode: 0o600 },
  );
  const [command, args] = getCommand(bench, 'authority');
  const audit = auditFolder ?? join(folder, 'audit');
  const lifted = [...ADDRESS_LIMITS, ...(limits === 'lifted' ? OTHER_LIMITS : [])];
  const launch = async (): Promise<KillableProgram> => {
    const plan: ProgramPlan = {
      command,
      args,
      core: 'server',
      env: {
        ...AUTHORITY_RUNTIME_ENV,
        NODE_COMPILE_CACHE: getCompileCacheFolder(bench.folder),
        [ENV.platformFile]: files.platform,
        [ENV.namespace]: namespace,
        [ENV.podName]: `${name}-0`,
        [ENV.auditFolder]: audit,
        [ENV.listen]: `127.0.0.1:${port}`,
        [ENV.telemetry]: `127.0.0.1:${telemetryPort}`,
        [TUNING.kubeconfig]: files.kubeconfig,
        ...(auditVolume !== undefined && { [ENV.auditVolumeBytes]: auditVolume }),
        ...Object.fromEntries(lifted.map((limit) => [limit, UNLIMITED])),
      },
    };
    const started = startProgram(wrap(plan));
    await waitUntilAnswered(
      { port: telemetryPort, path: '/readyz' },
      { timeoutMs: READY_TIMEOUT_MS, everyMs: 20 },
    ).catch(async (error: unknown) => {
      await started.kill();
      throw error;
    });
    return started;
  };
  let program: KillableProgram | undefined = await launch();
  const kill = async (): Promise<void> => {
    await program?.kill();
    program = undefined;
  };
  const start = async (): Promise<void> => {
    program = await launch();
  };
  return {
    get pid() {
      if (program === undefined) throw new Error('the authority is killed: it has no process');
      return program.pid;
    },
    cluster,
    endpoint,
    target: `tls:127.0.0.1:${port}`,
    roots: () => readTrustBundle(cluster),
    readAuditBytes: () =>
      readdirSync(audit).reduce((sum, file) => sum + statSync(join(audit, file)).size, 0),
    readTelemetry: async (path) => (await sendGet({ port: telemetryPort, path })).body,
    kill,
    start,
    restart: async () => {
      await kill();
      await start();
    },
    stop: async () => {
      await program?.stop();
      await cluster.close();
    },
  };
}

function readTrustBundle({ objects }: AuthorityProcess['cluster']): string {
  const at = `/api/v1/namespaces/${INSTALLED.namespace}/configmaps/${TRUST_BUNDLE_CONFIG_MAP}`;
  const { [CA_BUNDLE_KEY]: roots = '' } = (objects.get(at)?.['data'] ?? {}) as Record<
    string,
    string
  >;
  return roots;
}

export type AuthorityTrustOptions = {
  /** Default: as captured. */
  readonly admitted?: AdmittedTasks;
  /** Settings of the gateway; absent: none of the tasks may be signed. */
  readonly gateway?: Partial<GatewayAccess>;
};

/** Trust in the authority, of the sidecar of a new pod. */
export async function createAuthorityTrust(
  authority: AuthorityProcess,
  pod: string,
  { admitted = readPodTasks(), gateway }: AuthorityTrustOptions = {},
): Promise<SidecarTrust> {
  const { cluster, endpoint, roots } = authority;
  return {
    env: {
      [SIDECAR_ENV.trust]: 'authority',
      [SIDECAR_ENV.authority]: JSON.stringify({ endpoint, roots: roots() }),
      ...(gateway && buildGatewayEnvironment(gateway)),
    },
    admitted,
    token: await createPod(cluster, pod, { admitted }),
  };
}

const TASKS = 'tasks:\n  accountIds: ["111122223333"]\n';

const buildPlatform = (
  endpoint: string,
  stsEndpoint: string,
  tasks: string,
): string => `trust: authority
sidecar:
  image: registry.example/valetkey:0.1.0
cloud:
  region: eu-central-1
  stsEndpoint: ${stsEndpoint}
  allowHttp: true
${tasks}authority:
  endpoint: ${endpoint}
  issuer: ${endpoint}
  trustDomain: bench.example
`;

/** The form of a token exchange, as a sidecar sends it. */
export const buildExchangeForm = (token: string): URLSearchParams =>
  new URLSearchParams({
    grant_type: TOKEN_EXCHANGE_GRANT,
    subject_token: token,
    subject_token_type: JWT_TYPE,
    authorization_details: JSON.stringify([{ type: TASK_DETAILS_TYPE, ...TASK, params: {} }]),
  });

/** A token exchange as a sidecar sends it, as it goes over the wire. */
export const buildExchangeRequest = (token: string): string =>
  buildFormRequest(TOKEN_PATH, buildExchangeForm(token));

/** A form as a sidecar sends it, as it goes over the wire. */
export function buildFormRequest(path: string, form: URLSearchParams): string {
  const body = form.toString();
  return [
    `POST ${path} HTTP/1.1`,
    'Host: localhost',
    'Content-Type: application/x-www-form-urlencoded',
    `Content-Length: ${Buffer.byteLength(body)}`,
    '',
    body,
  ].join('\r\n');
}

/** The same of a sidecar that enforces gates. */
export const buildGatedExchangeForm = (token: string): URLSearchParams => {
  const form = buildExchangeForm(token);
  form.set('capabilities', CAPABILITIES.join(' '));
  return form;
};

type GatedRun = {
  readonly ticket: string;
  readonly gates: readonly Gate[];
  readonly policyVersion: string;
};

/** Starts a run whose calls are gated. @throws Error if the authority refuses it, or states no gates */
export async function startGatedRun(
  { post }: Pick<Connection, 'post'>,
  token: string,
): Promise<GatedRun> {
  const signal = AbortSignal.timeout(RUN_TIMEOUT_MS);
  const { status, body } = await post(TOKEN_PATH, buildGatedExchangeForm(token), signal);
  if (status !== 200) throw new Error(`a run: expected 200, got ${status}: ${body}`);
  const { ticket, gates = [], policy_version } = JSON.parse(body) as TokenResponse;
  if (ticket === undefined || gates.length === 0 || policy_version === undefined) {
    throw new Error('a run: expected a ticket and gates');
  }
  return { ticket, gates, policyVersion: policy_version };
}

const RUN_TIMEOUT_MS = 60_000;
