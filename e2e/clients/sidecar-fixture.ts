import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { waitFor } from '../../test/kit/retry.ts';
import { CONSUMER_ENV, SIDECAR_ENV } from '../../lib/contract/environment.ts';
import { LOOPBACK_TOKEN_FILE_NAME } from '../../lib/contract/paths.ts';
import type { CloudSettings } from '../../lib/contract/platform.ts';
import { HARDENING_FLAGS } from '../../lib/contract/runtime.ts';
import type { AdmittedTasks } from '../../lib/contract/task.ts';
import { findFreePorts } from '../../test/kit/free-ports.ts';
import type { CaseCloud } from '../cases/case-cloud.ts';
import { startExchangeProxy } from './exchange-proxy.ts';
import type { CreateFixture } from './scenario-runner.ts';
import type { Conditions, ObjectName } from './scenarios.ts';

const CONSUMER = 'agent';
const sidecarObjects: Record<ObjectName, string> = {
  readable: 'acme-data/reports/q3.csv',
  foreign: 'acme-data/secrets/keys.txt',
};

/** A sidecar process and a cloud that verifies signatures and session policies. */
export type SidecarFixtureDeps = {
  cloud: CaseCloud;
  /** Path of the sidecar: a bundle or its source. */
  program: string;
};

/** Returns the bundle, if `node tools/build/main.ts` built one; otherwise the source, which starts slowly. */
export function findSidecarProgram(): string {
  const root = join(import.meta.dirname, '../..');
  const bundle = join(root, 'dist/sidecar.cjs');
  return existsSync(bundle) ? bundle : join(root, 'cmd/sidecar/main.ts');
}

/** Creates fixtures with one sidecar process each, in front of one cloud that is already running. */
export const createSidecarFixtures =
  ({ cloud, program }: SidecarFixtureDeps): CreateFixture =>
  async (given) => {
    const conditions = { ...given };
    const folder = mkdtempSync(join(tmpdir(), 'valetkey-fixture-'));
    const front = await startExchangeProxy(cloud.stsEndpoint, conditions);
    const [port = 0] = await findFreePorts(1);
    const loopback = `127.0.0.1:${port}`;
    const stops: (() => Promise<unknown>)[] = [front.stop];
    const stop = async (): Promise<void> => {
      await Promise.all(stops.map((each) => each()));
      rmSync(folder, { recursive: true, force: true });
    };
    try {
      await writeToken(folder, cloud);
      const env = buildEnvironment(
        { cloud, folder, loopback, stsEndpoint: front.endpoint },
        conditions,
      );
      const sidecar = spawn(process.execPath, [...HARDENING_FLAGS, program], { env });
      stops.push(() => endProcess(sidecar));
      const tokenFile = join(folder, CONSUMER, LOOPBACK_TOKEN_FILE_NAME);
      await waitUntilServing(sidecar, tokenFile);
      return {
        env: {
          [CONSUMER_ENV.credentialsUri]: `http://${loopback}/v1/credentials`,
          [CONSUMER_ENV.authorizationTokenFile]: tokenFile,
          [CONSUMER_ENV.metadataDisabled]: 'true',
          [CONSUMER_ENV.region]: cloud.region,
          [CONSUMER_ENV.defaultRegion]: cloud.region,
          AWS_ENDPOINT_URL_S3: cloud.s3Endpoint,
        },
        objects: sidecarObjects,
        change: (to) => {
          Object.assign(conditions, to);
          return Promise.resolve();
        },
        stop,
      };
    } catch (error) {
      await stop();
      throw error;
    }
  };

type SidecarSettings = { cloud: CaseCloud; folder: string; loopback: string; stsEndpoint: string };

function buildEnvironment(
  setting: SidecarSettings,
  { lifetimeSeconds }: Conditions,
): Record<string, string> {
  const { cloud, folder, loopback, stsEndpoint } = setting;
  return {
    [SIDECAR_ENV.tasks]: JSON.stringify(buildAdmittedTasks(cloud.roleArn, lifetimeSeconds)),
    [SIDECAR_ENV.injectionTemplate]: '0'.repeat(64),
    [SIDECAR_ENV.trust]: 'cluster',
    [SIDECAR_ENV.podName]: 'client-test',
    [SIDECAR_ENV.podNamespace]: 'default',
    [SIDECAR_ENV.podIps]: cloud.sourceIp,
    [SIDECAR_ENV.cloud]: JSON.stringify(buildCloudSettings(cloud.region, stsEndpoint)),
    [SIDECAR_ENV.tokenFile]: join(folder, 'pod-token'),
    [SIDECAR_ENV.consumersFolder]: folder,
    [SIDECAR_ENV.loopback]: loopback,
    [SIDECAR_ENV.telemetry]: '127.0.0.1:0',
  };
}

const buildCloudSettings = (region: string, stsEndpoint: string): CloudSettings => ({
  region,
  stsEndpoint,
  allowHttp: true,
  dialect: 's3',
  sourceRestriction: { mode: 'none' },
});

const buildAdmittedTasks = (role: string, lifetimeSeconds: number): AdmittedTasks => ({
  consumers: [CONSUMER],
  tasks: [
    {
      name: 'summarize',
      provider: 'aws',
      role,
      allow: [{ actions: ['s3:GetObject'], resources: ['arn:aws:s3:::acme-data/reports/*'] }],
      params: {},
      lifetimeSeconds,
      delivery: 'vend',
      containers: [CONSUMER],
      default: true,
      exclusive: false,
    },
  ],
});

/** Longer than the longest scenario, because no kubelet replaces the token. */
async function writeToken(folder: string, cloud: CaseCloud): Promise<void> {
  mkdirSync(join(folder, CONSUMER));
  writeFileSync(join(folder, 'pod-token'), await cloud.token({ lifetimeSeconds: 3600 }));
}

/** The sidecar writes the token file last, so it listens once the file exists. */
async function waitUntilServing(sidecar: ChildProcess, tokenFile: string): Promise<void> {
  let said = '';
  const listen = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-2000);
  };
  sidecar.stdout?.on('data', listen);
  sidecar.stderr?.on('data', listen);
  await waitFor(
    'the sidecar to be ready',
    () => existsSync(tokenFile) || sidecar.exitCode !== null,
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
