import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SIDECAR_ENV } from '../lib/contract/environment.ts';
import { LOOPBACK_TOKEN_FILE_NAME, SOCKET_FILE_NAME } from '../lib/contract/paths.ts';
import { SIDECAR_RUNTIME_ENV } from '../lib/contract/runtime.ts';
import type { CloudSettings, GatewayAccess } from '../lib/contract/platform.ts';
import type { AdmittedTasks, Delivery } from '../lib/contract/task.ts';
import { getCommand, getCompileCacheFolder } from './bench.ts';
import type { Bench } from './bench.ts';
import { findFreePorts } from '../test/kit/free-ports.ts';
import { sendGet, startProgram, waitUntilAnswered } from './measured-processes.ts';
import type { KillableProgram, MeasuredProgram, WrapCommand } from './measured-processes.ts';

/** Our sidecar as a process, as the injected spec would start it. */
export type SidecarProcess = MeasuredProgram & {
  /** Of the first consumer. */
  socket: string;
  getSocket: (consumer: string) => string;
  /** `127.0.0.1` and the loopback listener's port. */
  loopback: { host: string; port: number };
  /** What the consumer sends as `Authorization` to the loopback listener. */
  readToken: () => string;
  /** The gateway's port on 127.0.0.1; 0 without a task that is signed. */
  gatewayPort: number;
  /** From the start of the process to the first 200 of /readyz. */
  readyMs: number;
  /** The projected token, which the kubelet replaces. */
  tokenFile: string;
  /** Answers at its telemetry port: `/readyz`, `/metrics`. */
  readTelemetry: (path: string) => Promise<string>;
  /** Kills the process, as the out-of-memory killer does. */
  kill: () => Promise<void>;
  /** Starts it again after `kill`, in the same folders as the kubelet does; `pid` is another one then. */
  start: () => Promise<void>;
};

const CONSUMER = 'agent';

const buildAdmittedTasks = (delivery: Delivery): AdmittedTasks => ({
  consumers: [CONSUMER],
  tasks: [
    {
      name: 'summarize',
      provider: 'aws',
      role: 'arn:aws:iam::111122223333:role/agent-reports',
      allow: [
        {
          actions: ['s3:GetObject', 's3:PutObject'],
          resources: ['arn:aws:s3:::acme-data/reports/*'],
        },
      ],
      params: {},
      lifetimeSeconds: 3600,
      delivery,
      containers: [CONSUMER],
      default: true,
      exclusive: false,
    },
  ],
});

/** Whom it goes to for credentials, by its environment, and the token that it goes with. */
export type SidecarTrust = {
  readonly env: Readonly<Record<string, string>>;
  readonly admitted: AdmittedTasks;
  readonly token: string;
};

const GATEWAY_DEFAULTS: GatewayAccess = {
  region: 'eu-central-1',
  dialect: 'aws',
  allowHttp: true,
  maxBodyBytes: 8 * 1024 * 1024,
  bufferBytes: 32 * 1024 * 1024,
  fixedKey: 'off',
  journalLinesPerSecond: 200,
  journalResources: 'full',
};

/** The environment of a sidecar with signed tasks: settings of its gateway, and defaults of the others. */
export const buildGatewayEnvironment = (
  gateway: Partial<GatewayAccess>,
): Readonly<Record<string, string>> => ({
  [SIDECAR_ENV.gateway]: JSON.stringify({ ...GATEWAY_DEFAULTS, ...gateway }),
});

/**
 * Trust in the cluster: exchanges go straight to `stsUrl`.
 *
 * @param gateway settings of the gateway; its task is signed. Absent: credentials are vended
 */
export function createClusterTrust(stsUrl: string, gateway?: Partial<GatewayAccess>): SidecarTrust {
  const cloud: CloudSettings = {
    region: 'eu-central-1',
    stsEndpoint: stsUrl,
    allowHttp: true,
    dialect: 'aws',
    sourceRestriction: { mode: 'none' },
  };
  const env = {
    [SIDECAR_ENV.trust]: 'cluster',
    [SIDECAR_ENV.cloud]: JSON.stringify(cloud),
    ...(gateway && buildGatewayEnvironment(gateway)),
  };
  const admitted = buildAdmittedTasks(gateway === undefined ? 'vend' : 'sign');
  return { env, admitted, token: buildUnsignedToken() };
}

/**
 * Starts a sidecar and waits until it is ready.
 *
 * @param wrap how the process is started, given its command; default: as it is
 */
export async function startSidecar(
  bench: Bench,
  trust: SidecarTrust,
  wrap: WrapCommand = (plan) => plan,
): Promise<SidecarProcess> {
  const folder = mkdtempSync(join(bench.folder, 'sidecar-'));
  for (const consumer of trust.admitted.consumers) mkdirSync(join(folder, consumer));
  const tokenFile = join(folder, 'pod-token');
  writeFileSync(tokenFile, trust.token);
  const [loopbackPort = 0, telemetryPort = 0, gatewayPort = 0] = await findFreePorts(3);
  const ports = { loopbackPort, telemetryPort, gatewayPort };
  const env = buildEnvironment(bench, folder, { trust, ...ports });
  const [command, args] = getCommand(bench, 'sidecar');
  const startedAt = performance.now();
  const launch = async (): Promise<KillableProgram> => {
    const started = startProgram(wrap({ command, args, env, core: 'server' }));
    await waitUntilAnswered({ port: telemetryPort, path: '/readyz' });
    return started;
  };
  let program: KillableProgram | undefined = await launch();
  const getSocket = (consumer: string): string => join(folder, consumer, SOCKET_FILE_NAME);
  return {
    get pid() {
      if (program === undefined) throw new Error('the sidecar is killed: it has no process');
      return program.pid;
    },
    stop: async () => program?.stop(),
    kill: async () => {
      await program?.kill();
      program = undefined;
    },
    start: async () => {
      program = await launch();
    },
    tokenFile,
    readTelemetry: async (path) => (await sendGet({ port: telemetryPort, path })).body,
    readyMs: performance.now() - startedAt,
    socket: getSocket(CONSUMER),
    getSocket,
    loopback: { host: '127.0.0.1', port: loopbackPort },
    gatewayPort,
    readToken: () => readFileSync(join(folder, CONSUMER, LOOPBACK_TOKEN_FILE_NAME), 'utf8'),
  };
}

type SidecarEnvironmentOptions = {
  trust: SidecarTrust;
  loopbackPort: number;
  telemetryPort: number;
  gatewayPort: number;
};

function buildEnvironment(
  bench: Bench,
  folder: string,
  given: SidecarEnvironmentOptions,
): Record<string, string> {
  const { trust, loopbackPort, telemetryPort, gatewayPort } = given;
  return {
    ...SIDECAR_RUNTIME_ENV,
    NODE_COMPILE_CACHE: getCompileCacheFolder(bench.folder),
    [SIDECAR_ENV.tasks]: JSON.stringify(trust.admitted),
    [SIDECAR_ENV.injectionTemplate]: '0'.repeat(64),
    [SIDECAR_ENV.podName]: 'bench',
    [SIDECAR_ENV.podNamespace]: 'default',
    [SIDECAR_ENV.podIps]: '127.0.0.1',
    ...trust.env,
    [SIDECAR_ENV.tokenFile]: join(folder, 'pod-token'),
    [SIDECAR_ENV.consumersFolder]: folder,
    [SIDECAR_ENV.loopback]: `127.0.0.1:${loopbackPort}`,
    [SIDECAR_ENV.telemetry]: `127.0.0.1:${telemetryPort}`,
    [SIDECAR_ENV.gatewayListen]: `127.0.0.1:${gatewayPort}`,
  };
}

/** Of the shape and size of a projected token; the STS of the bench verifies nothing. */
function buildUnsignedToken(): string {
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    aud: ['sts.amazonaws.com'],
    iss: 'https://kubernetes.default.svc.cluster.local',
    sub: 'system:serviceaccount:default:bench',
    iat: now,
    nbf: now,
    exp: now + 3600,
    'kubernetes.io': {
      namespace: 'default',
      pod: { name: 'bench', uid: '00000000-0000-4000-8000-000000000000' },
      serviceaccount: { name: 'bench', uid: '00000000-0000-4000-8000-000000000001' },
    },
  };
  return `${encode({ alg: 'RS256', kid: 'bench' })}.${encode(claims)}.${'A'.repeat(342)}`;
}
