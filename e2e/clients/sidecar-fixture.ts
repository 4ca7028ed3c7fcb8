import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../test/kit/retry.ts';
import { CONSUMER_ENV, SIDECAR_ENV, SIGN_CONSUMER_ENV } from '../../lib/contract/environment.ts';
import { LOOPBACK_TOKEN_FILE_NAME } from '../../lib/contract/paths.ts';
import type { CloudSettings, GatewayAccess } from '../../lib/contract/platform.ts';
import { HARDENING_FLAGS } from '../../lib/contract/runtime.ts';
import type { AdmittedTasks, Delivery, Task, TaskStatement } from '../../lib/contract/task.ts';
import { findFreePorts } from '../../test/kit/free-ports.ts';
import type { CaseCloud } from '../cases/case-cloud.ts';
import { startExchangeProxy } from './exchange-proxy.ts';
import { createGatewayView } from './gateway-view.ts';
import type { CreateFixture, Fixture } from './scenario-runner.ts';
import type { Conditions } from './scenarios.ts';

const CONSUMER = 'agent';
const WORK_PREFIX = 'acme-data/work';

/** A sidecar process and a cloud that verifies signatures and session policies. */
export type SidecarFixtureDeps = {
  /** Under `sign`, its address must not be on loopback. */
  cloud: CaseCloud;
  /** Path of the sidecar: a bundle or its source. */
  program: string;
  /** Default: `vend`. */
  delivery?: Delivery;
};

/** Returns the bundle, if `node tools/build/main.ts` built one; otherwise the source, which starts slowly. */
export function findSidecarProgram(): string {
  const root = join(import.meta.dirname, '../..');
  const bundle = join(root, 'dist/sidecar.cjs');
  return existsSync(bundle) ? bundle : join(root, 'cmd/sidecar/main.ts');
}

/** Creates fixtures with one sidecar process each, in front of one cloud that is already running. */
export const createSidecarFixtures =
  ({ cloud, program, delivery = 'vend' }: SidecarFixtureDeps): CreateFixture =>
  async (given) => {
    const conditions = { ...given };
    const folder = mkdtempSync(join(tmpdir(), 'valetkey-fixture-'));
    const front = await startExchangeProxy(cloud.stsEndpoint, conditions);
    const [loopback = '', gateway = '', telemetry = ''] = await findFreeAddresses(3);
    const stops: (() => Promise<unknown>)[] = [front.stop];
    const stop = async (): Promise<void> => {
      await Promise.all(stops.map((each) => each()));
      rmSync(folder, { recursive: true, force: true });
    };
    try {
      await writeToken(folder, cloud);
      const settings = { cloud, folder, loopback, gateway, telemetry, delivery };
      const env = buildEnvironment({ ...settings, stsEndpoint: front.endpoint }, conditions);
      const tokenFile = join(folder, CONSUMER, LOOPBACK_TOKEN_FILE_NAME);
      let token = '';
      const start = async (): Promise<ChildProcess> => {
        const sidecar = spawn(process.execPath, [...HARDENING_FLAGS, program], { env });
        stops.push(() => endProcess(sidecar));
        await waitUntilServing(sidecar, tokenFile, token);
        token = readFileSync(tokenFile, 'utf8');
        return sidecar;
      };
      let sidecar = await start();
      const restart = async (): Promise<void> => {
        const ended = new Promise((resolve) => sidecar.once('exit', resolve));
        sidecar.kill('SIGKILL');
        await ended;
        sidecar = await start();
      };
      return {
        env: {
          [CONSUMER_ENV.credentialsUri]: `http://${loopback}/v1/credentials`,
          [CONSUMER_ENV.authorizationTokenFile]: tokenFile,
          [CONSUMER_ENV.metadataDisabled]: 'true',
          [CONSUMER_ENV.region]: cloud.region,
          [CONSUMER_ENV.defaultRegion]: cloud.region,
          ...buildEndpointVariables(settings),
        },
        objects: {
          readable: 'acme-data/reports/q3.csv',
          foreign: 'acme-data/secrets/keys.txt',
          work: `${WORK_PREFIX}/${randomUUID()}`,
        },
        change: (to) => {
          Object.assign(conditions, to);
          return Promise.resolve();
        },
        ...(delivery === 'sign' && {
          gateway: createGatewayView({ telemetry, restart, countRuns: front.count }),
        }),
        stop,
      };
    } catch (error) {
      await stop();
      throw error;
    }
  };

const findFreeAddresses = async (count: number): Promise<string[]> =>
  (await findFreePorts(count)).map((port) => `127.0.0.1:${port}`);

/** As injection sets them; under `vend` the author sets the endpoint of a private cloud. */
const buildEndpointVariables = ({
  cloud,
  gateway,
  delivery,
}: Pick<SidecarSettings, 'cloud' | 'gateway' | 'delivery'>): Fixture['env'] =>
  delivery === 'vend'
    ? { AWS_ENDPOINT_URL_S3: cloud.s3Endpoint }
    : {
        [SIGN_CONSUMER_ENV.endpointUrl]: `http://${gateway}`,
        [SIGN_CONSUMER_ENV.hostPrefix]: 'true',
        [SIGN_CONSUMER_ENV.expressSession]: 'true',
        [SIGN_CONSUMER_ENV.authScheme]: 'sigv4',
        // The defaults of SDKs: the gateway makes their checksums acceptable to older servers.
        AWS_REQUEST_CHECKSUM_CALCULATION: 'when_supported',
        AWS_RESPONSE_CHECKSUM_VALIDATION: 'when_supported',
      };

type SidecarSettings = {
  cloud: CaseCloud;
  folder: string;
  /** Addresses on which the sidecar listens. */
  loopback: string;
  gateway: string;
  telemetry: string;
  stsEndpoint: string;
  delivery: Delivery;
};

function buildEnvironment(
  setting: SidecarSettings,
  conditions: Conditions,
): Record<string, string> {
  const { cloud, folder, loopback, stsEndpoint, delivery } = setting;
  return {
    [SIDECAR_ENV.tasks]: JSON.stringify(buildAdmittedTasks(cloud.roleArn, delivery, conditions)),
    [SIDECAR_ENV.injectionTemplate]: '0'.repeat(64),
    [SIDECAR_ENV.trust]: 'cluster',
    [SIDECAR_ENV.podName]: 'client-test',
    [SIDECAR_ENV.podNamespace]: 'default',
    [SIDECAR_ENV.podIps]: cloud.sourceIp,
    [SIDECAR_ENV.cloud]: JSON.stringify(buildCloudSettings(cloud.region, stsEndpoint)),
    [SIDECAR_ENV.tokenFile]: join(folder, 'pod-token'),
    [SIDECAR_ENV.consumersFolder]: folder,
    [SIDECAR_ENV.loopback]: loopback,
    [SIDECAR_ENV.telemetry]: setting.telemetry,
    [SIDECAR_ENV.gateway]: JSON.stringify(buildGatewayAccess(cloud)),
    [SIDECAR_ENV.gatewayListen]: setting.gateway,
  };
}

const MEBIBYTE = 1024 * 1024;

const buildGatewayAccess = ({ region, s3Endpoint }: CaseCloud): GatewayAccess => ({
  region,
  dialect: 's3',
  allowHttp: true,
  endpoints: [{ service: 's3', url: s3Endpoint }],
  maxBodyBytes: 8 * MEBIBYTE,
  bufferBytes: 32 * MEBIBYTE,
  fixedKey: 'auto',
  journalLinesPerSecond: 200,
  journalResources: 'full',
});

const buildCloudSettings = (region: string, stsEndpoint: string): CloudSettings => ({
  region,
  stsEndpoint,
  allowHttp: true,
  dialect: 's3',
  sourceRestriction: { mode: 'none' },
});

const DATA = 'arn:aws:s3:::acme-data';

const readStatement: TaskStatement = {
  actions: ['s3:GetObject'],
  resources: [`${DATA}/reports/*`],
};
/** What uploads in one request or in parts need. */
const writeStatement: TaskStatement = {
  actions: ['s3:GetObject', 's3:PutObject', 's3:AbortMultipartUpload'],
  resources: [`arn:aws:s3:::${WORK_PREFIX}/*`],
};

const STATEMENTS: Record<NonNullable<Conditions['scope']>, TaskStatement[]> = {
  read: [readStatement],
  'read and write': [readStatement, writeStatement],
  work: [
    {
      actions: [
        's3:GetObject',
        's3:PutObject',
        's3:DeleteObject',
        's3:GetObjectTagging',
        's3:PutObjectTagging',
        's3:AbortMultipartUpload',
        's3:ListMultipartUploadParts',
      ],
      resources: [`arn:aws:s3:::${WORK_PREFIX}/*`],
    },
    { actions: ['s3:ListBucket'], resources: [DATA] },
  ],
  guide: [readStatement],
};

/** The second task of docs/guides/README.md, with a param. */
const buildAnswerTask = (summarize: Task): Task => ({
  ...summarize,
  name: 'answer',
  allow: [{ actions: ['s3:GetObject'], resources: [`${DATA}/customers/{customer}/*`] }],
  params: { customer: { pattern: '[a-z0-9-]+', maxLength: 64 } },
  default: false,
});

const buildAdmittedTasks = (
  role: string,
  delivery: Delivery,
  { lifetimeSeconds, scope = 'read' }: Conditions,
): AdmittedTasks => {
  const summarize: Task = {
    name: 'summarize',
    provider: 'aws',
    role,
    allow: STATEMENTS[scope],
    params: {},
    lifetimeSeconds,
    delivery,
    containers: [CONSUMER],
    default: true,
    exclusive: false,
  };
  const tasks = scope === 'guide' ? [summarize, buildAnswerTask(summarize)] : [summarize];
  return { consumers: [CONSUMER], tasks };
};

/** Longer than the longest scenario, because no kubelet replaces the token. */
async function writeToken(folder: string, cloud: CaseCloud): Promise<void> {
  mkdirSync(join(folder, CONSUMER));
  writeFileSync(join(folder, 'pod-token'), await cloud.token({ lifetimeSeconds: 3600 }));
}

/** The sidecar writes a new token last, so it listens once the file has another than the sidecar before. */
async function waitUntilServing(
  sidecar: ChildProcess,
  tokenFile: string,
  before: string,
): Promise<void> {
  let said = '';
  const listen = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-2000);
  };
  sidecar.stdout?.on('data', listen);
  sidecar.stderr?.on('data', listen);
  await waitFor(
    'the sidecar to be ready',
    () =>
      (existsSync(tokenFile) && readFileSync(tokenFile, 'utf8') !== before) ||
      sidecar.exitCode !== null,
    {
      timeoutMs: 60_000,
      intervalMs: 20,
    },
  );
  if (sidecar.exitCode !== null) throw new Error(`the sidecar ended: ${said}`);
}

async function endProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 3000);
  await ended;
  clearTimeout(timer);
}
