import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stringify } from 'yaml';
import {
  AUTHORITY_ENV,
  AUTHORITY_TUNING_ENV,
  WEBHOOK_ENV,
  WEBHOOK_TUNING_ENV,
} from '../lib/contract/environment.ts';
import { INSTALLED } from '../lib/contract/names.ts';
import { AUTHORITY_COMMAND, WEBHOOK_COMMAND } from '../lib/contract/runtime.ts';
import { startChild } from './child-process.ts';
import type { CleanupStack } from './cleanup-stack.ts';
import type { DemoCluster } from './demo-cluster.ts';
import { buildPlatform } from './demo-platform.ts';
import { SECRETS_NAMESPACE } from './demo-upstreams.ts';
import { findFreePorts } from '../test/kit/free-ports.ts';
import { buildProgramPlan } from './program-plan.ts';
import { waitUntilReady } from '../test/kit/retry.ts';
import type { WebhookAddress } from './webhook-client.ts';

const { namespace, webhook, authority } = INSTALLED;

/** Startup takes seconds on an idle machine. */
const READY_TIMEOUT_MS = 90_000;

/** Folder of the audit records. */
export const getAuditFolder = (folder: string): string => join(folder, 'authority', 'audit');

export type ControlPlane = {
  readonly webhook: WebhookAddress;
  /** Milliseconds until both were ready. */
  readonly readyMs: number;
};

/** Starts the webhook and the authority as separate programs, and waits until both are ready. */
export const startControlPlane = async (
  given: {
    readonly folder: string;
    /** `https://localhost:<port>` on which the authority listens. */
    readonly endpoint: string;
    /** `http://<address>:<port>` of the embedded cloud. */
    readonly cloudEndpoint: string;
    readonly cluster: DemoCluster;
  },
  { defer }: Pick<CleanupStack, 'defer'>,
): Promise<ControlPlane> => {
  const { folder, endpoint, cloudEndpoint, cluster } = given;
  const startedAt = performance.now();
  const [port = 0, probes = 0, telemetry = 0] = await findFreePorts(3);
  const platformFile = join(folder, 'platform.yaml');
  writeFileSync(platformFile, stringify(buildPlatform({ cloudEndpoint, endpoint })));
  const access = (name: string): string =>
    cluster.writeKubeconfig(`system:serviceaccount:${namespace}:${name}`);
  const start = async (name: string, program: ProgramOptions): Promise<void> => {
    const child = startChild(buildProgramPlan(folder, { name, ...program }));
    defer(child.stop);
    const probe = `http://127.0.0.1:${program.telemetry}/readyz`;
    await waitUntilReady(child, async () => (await fetch(probe)).ok, {
      timeoutMs: READY_TIMEOUT_MS,
    });
  };
  await Promise.all([
    start('webhook', {
      command: WEBHOOK_COMMAND,
      telemetry: probes,
      env: {
        [WEBHOOK_TUNING_ENV.kubeconfig]: access(webhook),
        [WEBHOOK_ENV.platformFile]: platformFile,
        [WEBHOOK_ENV.namespace]: namespace,
        [WEBHOOK_ENV.podName]: `${webhook}-0`,
        [WEBHOOK_ENV.service]: webhook,
        [WEBHOOK_ENV.listen]: `127.0.0.1:${port}`,
        [WEBHOOK_ENV.telemetry]: `127.0.0.1:${probes}`,
      },
    }),
    start('authority', {
      command: AUTHORITY_COMMAND,
      telemetry,
      env: {
        [AUTHORITY_TUNING_ENV.kubeconfig]: access(authority),
        [AUTHORITY_ENV.platformFile]: platformFile,
        [AUTHORITY_ENV.namespace]: namespace,
        [AUTHORITY_ENV.secretsNamespace]: SECRETS_NAMESPACE,
        [AUTHORITY_ENV.podName]: `${authority}-0`,
        [AUTHORITY_ENV.auditFolder]: getAuditFolder(folder),
        [AUTHORITY_ENV.listen]: `127.0.0.1:${new URL(endpoint).port}`,
        [AUTHORITY_ENV.telemetry]: `127.0.0.1:${telemetry}`,
      },
    }),
  ]);
  return {
    webhook: { port, ca: cluster.readWebhookBundle(), serverName: `${webhook}.${namespace}.svc` },
    readyMs: performance.now() - startedAt,
  };
};

type ProgramOptions = {
  readonly command: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly telemetry: number;
};
