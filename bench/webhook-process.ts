import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createCertificateAuthority, signLeaf } from '../lib/certificate/certificate-authority.ts';
import { WEBHOOK_ENV, WEBHOOK_TUNING_ENV } from '../lib/contract/environment.ts';
import { WEBHOOK_RUNTIME_ENV } from '../lib/contract/runtime.ts';
import { getCommand, getCompileCacheFolder } from './bench.ts';
import type { Bench } from './bench.ts';
import { findFreePorts } from '../test/kit/free-ports.ts';
import { startProgram, waitUntilAnswered } from './measured-processes.ts';
import type { KillableProgram, MeasuredProgram, WrapCommand } from './measured-processes.ts';

/** A webhook over HTTPS, ours or the bare one. */
export type WebhookProcess = MeasuredProgram & { target: string };

/** Ours. */
export type OwnWebhookProcess = WebhookProcess & {
  /** Kills the process. */
  kill: () => Promise<void>;
  /** Starts it again after `kill`, and waits until it is ready; `pid` is another one then. */
  start: () => Promise<void>;
};

const NAME = 'valetkey-webhook.valetkey.svc';
const DAY_MS = 24 * 3_600_000;

/** Where `tls.crt` and `tls.key` of both lie: the same key costs both the same. */
export async function writeCertificates(bench: Bench, names = [NAME]): Promise<string> {
  const folder = mkdtempSync(join(bench.folder, 'certificates-'));
  const terms = { now: Date.now(), lifetimeMs: DAY_MS };
  const authority = await createCertificateAuthority(terms);
  const leaf = await signLeaf(authority, { ...terms, names });
  writeFileSync(join(folder, 'ca.crt'), authority.certificate);
  writeFileSync(join(folder, 'tls.crt'), leaf.certificate);
  writeFileSync(join(folder, 'tls.key'), leaf.key, { mode: 0o600 });
  return folder;
}

/**
 * Starts our webhook, with certificates in files and no cluster, and waits until it is ready.
 *
 * @param wrap how the process is started, given its command; default: as it is
 */
export async function startWebhook(
  bench: Bench,
  certificates: string,
  wrap: WrapCommand = (plan) => plan,
): Promise<OwnWebhookProcess> {
  const [port = 0, telemetryPort = 0] = await findFreePorts(2);
  const platformFile = join(certificates, 'platform.yaml');
  writeFileSync(platformFile, platform);
  const [command, args] = getCommand(bench, 'webhook');
  const env = {
    ...WEBHOOK_RUNTIME_ENV,
    NODE_COMPILE_CACHE: getCompileCacheFolder(bench.folder),
    [WEBHOOK_TUNING_ENV.cluster]: 'none',
    [WEBHOOK_ENV.platformFile]: platformFile,
    [WEBHOOK_ENV.namespace]: 'valetkey',
    [WEBHOOK_ENV.podName]: 'valetkey-webhook-0',
    [WEBHOOK_ENV.service]: 'valetkey-webhook',
    [WEBHOOK_ENV.certificates]: 'files',
    [WEBHOOK_ENV.certificatesFolder]: certificates,
    [WEBHOOK_ENV.listen]: `127.0.0.1:${port}`,
    [WEBHOOK_ENV.telemetry]: `127.0.0.1:${telemetryPort}`,
  };
  const launch = async (): Promise<KillableProgram> => {
    const started = startProgram(wrap({ command, args, env, core: 'server' }));
    await waitUntilAnswered({ port: telemetryPort, path: '/readyz' });
    return started;
  };
  let program = await launch();
  return {
    get pid() {
      return program.pid;
    },
    target: `tls:127.0.0.1:${port}`,
    stop: () => program.stop(),
    kill: () => program.kill(),
    start: async () => {
      program = await launch();
    },
  };
}

/** Starts the bare Go webhook, which listens long before our own warm-up ends. */
export async function startBareWebhook(
  bench: Bench,
  certificates: string,
): Promise<WebhookProcess | undefined> {
  if (bench.baseline === undefined) return undefined;
  const [port = 0] = await findFreePorts(1);
  const address = `127.0.0.1:${port}`;
  const files = ['tls.crt', 'tls.key'].map((file) => join(certificates, file));
  const program = startProgram({
    command: bench.baseline,
    args: ['webhook', address, ...files],
    env: { GOMAXPROCS: '1' },
    core: 'server',
  });
  return { ...program, target: `tls:${address}` };
}

const platform = `trust: cluster
sidecar:
  image: registry.example/valetkey@sha256:${'0'.repeat(64)}
cloud:
  region: eu-central-1
tasks:
  accountIds: ["111122223333"]
`;
