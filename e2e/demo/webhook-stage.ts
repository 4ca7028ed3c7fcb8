import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createAuthority, signLeaf } from '../../lib/certificate/authority.ts';
import { WEBHOOK_ENV, WEBHOOK_TUNING_ENV } from '../../lib/contract/environment.ts';
import { PROGRAM_FOLDER, NODE_PATH } from '../../lib/contract/paths.ts';
import { WEBHOOK_COMMAND } from '../../lib/contract/runtime.ts';
import { startChild, type Child } from './child.ts';
import { AUDIENCE, REGION } from './cloud-stage.ts';
import type { Closing } from './closing.ts';
import { PROGRAMS } from './programs.ts';
import { awaitReady } from './waiting.ts';
import type { WebhookAddress } from './webhook-client.ts';

const SERVICE = 'valetkey-webhook';
const NAMESPACE = 'valetkey';
const CERTIFICATE_LIFETIME_MS = 24 * 3_600_000;

export type WebhookStage = { readonly child: Child; readonly address: WebhookAddress };

/** Starts the webhook's own program, with certificates in files and no cluster. */
export const startWebhookStage = async (
  given: {
    readonly folder: string;
    readonly ports: readonly [https: number, telemetry: number];
    /** Of the embedded cloud. */
    readonly stsEndpoint: string;
  },
  { defer }: Closing,
): Promise<WebhookStage> => {
  const home = join(given.folder, 'webhook');
  mkdirSync(home, { recursive: true });
  const [port, telemetry] = given.ports;
  const serverName = `${SERVICE}.${NAMESPACE}.svc`;
  const ca = await writeCertificates(home, serverName);
  const platformFile = join(home, 'platform.yaml');
  writeFileSync(platformFile, stringify(platformOf(given.stsEndpoint)));
  const child = startChild({
    name: 'webhook',
    command: WEBHOOK_COMMAND.map((part) =>
      part.replace(NODE_PATH, PROGRAMS.node).replace(PROGRAM_FOLDER, PROGRAMS.folder),
    ),
    env: {
      HOME: home,
      TMPDIR: home,
      NODE_OPTIONS: '',
      [WEBHOOK_TUNING_ENV.cluster]: 'none',
      [WEBHOOK_ENV.platformFile]: platformFile,
      [WEBHOOK_ENV.namespace]: NAMESPACE,
      [WEBHOOK_ENV.podName]: `${SERVICE}-0`,
      [WEBHOOK_ENV.service]: SERVICE,
      [WEBHOOK_ENV.certificates]: 'files',
      [WEBHOOK_ENV.certificatesFolder]: home,
      [WEBHOOK_ENV.listen]: `127.0.0.1:${port}`,
      [WEBHOOK_ENV.telemetry]: `127.0.0.1:${telemetry}`,
    },
    log: join(given.folder, 'logs', 'webhook.log'),
    cwd: home,
  });
  defer(child.stop);
  await awaitReady(child, async () => (await fetch(`http://127.0.0.1:${telemetry}/readyz`)).ok);

  return { child, address: { port, ca, serverName } };
};

const writeCertificates = async (home: string, serverName: string): Promise<string> => {
  const terms = { now: Date.now(), lifetimeMs: CERTIFICATE_LIFETIME_MS };
  const authority = await createAuthority(terms);
  const leaf = await signLeaf(authority, { ...terms, names: [serverName] });
  writeFileSync(join(home, 'ca.crt'), authority.certificate);
  writeFileSync(join(home, 'tls.crt'), leaf.certificate);
  writeFileSync(join(home, 'tls.key'), leaf.key, { mode: 0o600 });
  return authority.certificate;
};

/** Lifetimes of seconds, so that one can watch a deadline pass; else as a platform would write it. */
const platformOf = (stsEndpoint: string): object => ({
  trust: 'cluster',
  sidecar: { image: 'registry.example/valetkey:demo', audience: AUDIENCE },
  cloud: { region: REGION, stsEndpoint, allowHttp: true, dialect: 's3', bind: { mode: 'podIP' } },
  tasks: { lifetimeFloor: '5s', accountIds: ['111122223333'] },
});
