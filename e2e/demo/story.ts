import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONSUMER_ENV } from '../../lib/contract/environment.ts';
import { MUTATE_PATH, VALIDATE_PATH } from '../../lib/contract/paths.ts';
import type { Container, Pod } from '../../lib/contract/pod.ts';
import { applyPatch } from '../../lib/injection/json-patch.ts';
import type { EmbeddedCloud } from '../embedded-cloud/cloud.ts';
import { startChild, type Child } from './child.ts';
import { startCloudStage } from './cloud-stage.ts';
import { cloudTrustLine } from './cloud-trust-line.ts';
import { closeTogether, type Closing } from './closing.ts';
import { startClusterStage, type ClusterStage } from './cluster-stage.ts';
import { consumerLines } from './consumer-lines.ts';
import { startControlPlane } from './control-plane.ts';
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
import { readRecords } from './record-lines.ts';
import { revocationLine } from './revocation-line.ts';
import { searchLine } from './secret-line.ts';
import { stepsOf } from './steps.ts';
import { openTool, type Tool } from './tool.ts';
import { awaitEnd, awaitReady } from './waiting.ts';
import { reviewPod, type WebhookAddress } from './webhook-client.ts';

/** What is left running at the end, for whoever wants to play with it. */
export type Scene = {
  readonly ground: Ground;
  readonly pod: Pod;
  readonly telemetry: string;
  readonly kubeconfig: string;
  /** Of one run, as the records and the cloud's log tell it. */
  readonly story: readonly string[];
};

type Show = (line: Line) => void;
type Defer = Pick<Closing, 'defer'>;

const CONSUMERS_TIMEOUT_MS = 40_000;

/**
 * Plays the whole story below one folder and shows each line as soon as it is known.
 *
 * @throws Error when a program does not start or ends badly, with its last log lines
 */
export const playStory = async (folder: string, closing: Closing, show: Show): Promise<Scene> => {
  const [port = 0, loopback = 0, telemetry = 0] = await freePorts(3);
  const endpoint = `https://localhost:${port}`;
  const cluster = await startClusterStage(folder, closing);
  const cloud = await startCloudStage({ issuer: endpoint, roots: cluster.roots }, closing);
  const programs = closeTogether(closing);
  const kubeconfig = cluster.kubeconfig('demo');
  const tool = openTool({ folder, kubeconfig }, programs);
  const stsEndpoint = cloud.endpoint;
  const plane = await startControlPlane({ folder, endpoint, stsEndpoint, cluster }, programs);
  const { milliseconds } = plane;
  const name = 'webhook and authority ready';
  show(lineOf({ name, expected: '200', got: '200', milliseconds }));
  const pod = await admit(plane.webhook, readPod(cloud.endpoint), show);
  const ground = prepareGround(folder, { pod, uid: cluster.run(pod) }, [loopback, telemetry]);
  const token = await cluster.projectToken();
  writeProjectedToken(ground, token);
  const telemetryUrl = `http://127.0.0.1:${telemetry}`;
  await startSidecar({ ground, pod, telemetryUrl }, programs, show);
  const run = await runConsumers({ ground, pod, cluster, cloud, tool }, programs, show);
  show(await cloudTrustLine(cloud, token));
  const records = await readRecords({ folder, tool, events: cloud.events(), run });
  show(records.verified);
  show(records.told);
  await keepMetrics(folder, telemetryUrl);
  show(searchLine({ ground, pod, sessions: cloud.issued(), token }));
  return { ground, pod, telemetry: telemetryUrl, kubeconfig, story: records.story };
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
  { defer }: Defer,
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

type Stage = Staged & {
  readonly cluster: ClusterStage;
  readonly cloud: EmbeddedCloud;
  readonly tool: Tool;
};

/** The helper is done while the agent waits for a deadline: then its task is revoked. */
const runConsumers = async (
  { ground, pod, cluster, cloud, tool }: Stage,
  { defer }: Defer,
  show: Show,
): Promise<string> => {
  const start = (name: string): Child => {
    const child = startChild(processOf(ground, containerOf(pod, name)));
    defer(child.stop);
    return child;
  };
  const [agent, helper] = [start('agent'), start('helper')];
  const ended = awaitEnd(agent, CONSUMERS_TIMEOUT_MS);
  const socket = processOf(ground, containerOf(pod, 'helper')).env[CONSUMER_ENV.socket] ?? '';
  const revoking = awaitEnd(helper, CONSUMERS_TIMEOUT_MS).then(() =>
    revocationLine({ ...cluster, tool, socket, task: 'default/agent/archive' }),
  );
  const [, revoked] = await Promise.all([ended, revoking]);
  const steps = { agent: stepsOf(agent), helper: stepsOf(helper) };
  consumerLines(steps, cloud.events()).forEach(show);
  show(revoked);
  return steps.agent('report globex').run ?? '';
};

/** Metrics must hold no secret either: they are searched as a file. */
const keepMetrics = async (folder: string, telemetryUrl: string): Promise<void> => {
  const answer = await fetch(`${telemetryUrl}/metrics`);
  writeFileSync(join(folder, 'logs', 'sidecar-metrics.txt'), await answer.text());
};
