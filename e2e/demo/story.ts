import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MUTATE_PATH, VALIDATE_PATH } from '../../lib/contract/paths.ts';
import type { Container, Pod } from '../../lib/contract/pod.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import { startChild, type Child } from './child.ts';
import { projectToken, startCloudStage, type CloudStage } from './cloud-stage.ts';
import type { Closing } from './closing.ts';
import { consumerLines } from './consumer-lines.ts';
import { lineOf, type Line } from './line.ts';
import { processOf, type Ground } from './pod-processes.ts';
import {
  containerOf,
  prepareGround,
  readPod,
  sidecarOf,
  writeProjectedToken,
} from './pod-stage.ts';
import { freePorts } from './ports.ts';
import { searchLine } from './secret-line.ts';
import { stepsOf } from './steps.ts';
import { awaitEnd, awaitReady } from './waiting.ts';
import { reviewPod, type WebhookAddress } from './webhook-client.ts';
import { startWebhookStage } from './webhook-stage.ts';

/** What is left running at the end, for whoever wants to play with it. */
export type Scene = {
  readonly ground: Ground;
  readonly pod: Pod;
  readonly telemetry: string;
  readonly endpoint: string;
};

type Show = (line: Line) => void;

const CONSUMERS_TIMEOUT_MS = 40_000;

/**
 * Plays the whole story below one folder and shows each line as soon as it is known.
 *
 * @throws Error when a program does not start or ends badly, with its last log lines
 */
export const playStory = async (folder: string, closing: Closing, show: Show): Promise<Scene> => {
  const stage = await startCloudStage(closing);
  const [webhookPort = 0, webhookTelemetry = 0, loopback = 0, telemetry = 0] = await freePorts(4);
  const webhook = await startWebhookStage(
    { folder, ports: [webhookPort, webhookTelemetry], stsEndpoint: stage.cloud.endpoint },
    closing,
  );
  const pod = await admit(webhook.address, readPod(stage.cloud.endpoint), show);
  const ground = prepareGround(folder, pod, [loopback, telemetry]);
  const token = await projectToken(stage);
  writeProjectedToken(ground, token);
  const telemetryUrl = `http://127.0.0.1:${telemetry}`;
  await startSidecar({ ground, pod, telemetryUrl }, closing, show);
  await runConsumers({ ground, pod, stage }, closing, show);
  await keepMetrics(folder, telemetryUrl);
  show(searchLine({ ground, pod, sessions: stage.cloud.issued(), token }));
  return { ground, pod, telemetry: telemetryUrl, endpoint: stage.cloud.endpoint };
};

const admit = async (webhook: WebhookAddress, pod: Pod, show: Show): Promise<Pod> => {
  const startedAt = performance.now();
  const mutated = await reviewPod(webhook, MUTATE_PATH, pod);
  if (!mutated.allowed) throw new Error(`the webhook refused the pod: ${mutated.message}`);
  const patched = applyPatch(pod, mutated.patch) as Pod;
  const validated = await reviewPod(webhook, VALIDATE_PATH, patched);
  const isPatched = mutated.patch.length > 0;
  show(
    lineOf({
      name: 'admitted and patched',
      expected: 'allowed',
      got: validated.allowed && isPatched ? 'allowed' : `refused: ${validated.message}`,
      detail: `${mutated.patch.length} operations`,
      milliseconds: performance.now() - startedAt,
    }),
  );
  if (!validated.allowed) throw new Error(`the patched pod is not valid: ${validated.message}`);
  return patched;
};

type Staged = { readonly ground: Ground; readonly pod: Pod };

const startSidecar = async (
  { ground, pod, telemetryUrl }: Staged & { readonly telemetryUrl: string },
  { defer }: Closing,
  show: Show,
): Promise<void> => {
  const container = sidecarOf(pod);
  const sidecar = startChild(processOf(ground, container));
  defer(sidecar.stop);
  const milliseconds = await awaitReady(sidecar, async () => {
    const answer = await fetch(`${telemetryUrl}${probePath(container)}`);
    return answer.ok;
  });
  show(lineOf({ name: 'sidecar ready', expected: '200', got: '200', milliseconds }));
};

/** The probe that the webhook put there is the one that a kubelet would ask. */
const probePath = ({ startupProbe }: Container): string => {
  const { httpGet } = startupProbe as { readonly httpGet?: { readonly path: string } };
  if (httpGet === undefined) throw new Error('the sidecar has no startupProbe that asks by HTTP');
  return httpGet.path;
};

const runConsumers = async (
  { ground, pod, stage }: Staged & { readonly stage: CloudStage },
  { defer }: Closing,
  show: Show,
): Promise<void> => {
  const start = (name: string): Child => {
    const child = startChild(processOf(ground, containerOf(pod, name)));
    defer(child.stop);
    return child;
  };
  const [agent, helper] = [start('agent'), start('helper')];
  await Promise.all([agent, helper].map((child) => awaitEnd(child, CONSUMERS_TIMEOUT_MS)));
  consumerLines({ agent: stepsOf(agent), helper: stepsOf(helper) }, stage.cloud.events()).forEach(
    show,
  );
};

/** Metrics must hold no secret either: they are searched as a file. */
const keepMetrics = async (folder: string, telemetryUrl: string): Promise<void> => {
  const answer = await fetch(`${telemetryUrl}/metrics`);
  writeFileSync(join(folder, 'logs', 'sidecar-metrics.txt'), await answer.text());
};
