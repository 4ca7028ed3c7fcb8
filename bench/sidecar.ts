import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { SIDECAR_ENV } from '../lib/contract/environment.ts';
import { LOOPBACK_TOKEN_FILE_NAME, SOCKET_FILE_NAME } from '../lib/contract/paths.ts';
import { SIDECAR_RUNTIME_ENV } from '../lib/contract/runtime.ts';
import type { CloudSettings } from '../lib/contract/platform.ts';
import type { AdmittedTasks } from '../lib/contract/task.ts';
import { commandOf, compileCache } from './bench.ts';
import type { Bench } from './bench.ts';
import { freePorts } from './ports.ts';
import { startProgram, untilAnswered } from './processes.ts';
import type { Program } from './processes.ts';

/** Our sidecar as a process, as the injected spec would start it. */
export type Sidecar = Program & {
  socket: string;
  /** `127.0.0.1` and the loopback listener's port. */
  loopback: { host: string; port: number };
  /** What the consumer sends as `Authorization` to the loopback listener. */
  readToken: () => string;
  /** From the start of the process to the first 200 of /readyz. */
  readyMs: number;
};

const CONSUMER = 'agent';

const admitted: AdmittedTasks = {
  consumers: [CONSUMER],
  tasks: [
    {
      name: 'summarize',
      provider: 'aws',
      role: 'arn:aws:iam::111122223333:role/agent-reports',
      allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] }],
      params: {},
      lifetimeSeconds: 3600,
      delivery: 'vend',
      containers: [CONSUMER],
      default: true,
      exclusive: false,
    },
  ],
};

/** Whom it goes to for credentials, by its environment, and the token that it goes with. */
export type Trust = {
  readonly env: Readonly<Record<string, string>>;
  readonly admitted: AdmittedTasks;
  readonly token: string;
};

/** Trust in the cluster: exchanges go straight to `stsUrl`. */
export function trustInCluster(stsUrl: string): Trust {
  const cloud: CloudSettings = {
    region: 'eu-central-1',
    stsEndpoint: stsUrl,
    allowHttp: true,
    dialect: 'aws',
    bind: { mode: 'none' },
  };
  const env = { [SIDECAR_ENV.trust]: 'cluster', [SIDECAR_ENV.cloud]: JSON.stringify(cloud) };
  return { env, admitted, token: unsignedToken() };
}

/** Starts a sidecar and waits until it is ready. */
export async function startSidecar(bench: Bench, trust: Trust): Promise<Sidecar> {
  const folder = mkdtempSync(join(bench.folder, 'sidecar-'));
  for (const consumer of trust.admitted.consumers) mkdirSync(join(folder, consumer));
  writeFileSync(join(folder, 'pod-token'), trust.token);
  const [loopbackPort, telemetryPort] = await freePorts();
  const env = environmentOf(bench, folder, { trust, loopbackPort, telemetryPort });
  const [command, args] = commandOf(bench, 'sidecar');
  const startedAt = performance.now();
  const program = startProgram({ command, args, env, core: 'server' });
  await untilAnswered({ port: telemetryPort, path: '/readyz' });
  return {
    ...program,
    readyMs: performance.now() - startedAt,
    socket: join(folder, CONSUMER, SOCKET_FILE_NAME),
    loopback: { host: '127.0.0.1', port: loopbackPort },
    readToken: () => readFileSync(join(folder, CONSUMER, LOOPBACK_TOKEN_FILE_NAME), 'utf8'),
  };
}

type Given = { trust: Trust; loopbackPort: number; telemetryPort: number };

function environmentOf(bench: Bench, folder: string, given: Given): Record<string, string> {
  const { trust, loopbackPort, telemetryPort } = given;
  return {
    ...SIDECAR_RUNTIME_ENV,
    NODE_COMPILE_CACHE: compileCache(bench.folder),
    [SIDECAR_ENV.tasks]: JSON.stringify(trust.admitted),
    [SIDECAR_ENV.profile]: '0'.repeat(64),
    [SIDECAR_ENV.podName]: 'bench',
    [SIDECAR_ENV.podNamespace]: 'default',
    [SIDECAR_ENV.podIp]: '127.0.0.1',
    ...trust.env,
    [SIDECAR_ENV.tokenFile]: join(folder, 'pod-token'),
    [SIDECAR_ENV.consumersFolder]: folder,
    [SIDECAR_ENV.loopback]: `127.0.0.1:${loopbackPort}`,
    [SIDECAR_ENV.telemetry]: `127.0.0.1:${telemetryPort}`,
  };
}

/** Of the shape and size of a projected token; the STS of the bench verifies nothing. */
function unsignedToken(): string {
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
