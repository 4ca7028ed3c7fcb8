import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CONSUMER_ENV } from '../lib/contract/environment.ts';
import { MUTATE_PATH, VALIDATE_PATH } from '../lib/contract/paths.ts';
import type { Container, Pod } from '../lib/contract/pod.ts';
import { applyPatch } from '../lib/injection/json-patch.ts';
import type { EmbeddedCloud } from '../test/fakes/cloud/embedded-cloud.ts';
import { startChild, type Child } from './child-process.ts';
import { startDemoCloud } from './demo-cloud.ts';
import { checkCloudTrust } from './cloud-trust-line.ts';
import { createParallelCleanup, type CleanupStack } from './cleanup-stack.ts';
import { startDemoCluster, type DemoCluster } from './demo-cluster.ts';
import { buildConsumerLines } from './consumer-lines.ts';
import { startControlPlane } from './demo-control-plane.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import { buildProcess, type ProcessLayout } from './pod-processes.ts';
import {
  findContainer,
  prepareLayout,
  readDemoPod,
  findSidecar,
  writeProjectedToken,
} from './demo-pod.ts';
import { findFreePorts } from '../test/kit/free-ports.ts';
import { checkRecords } from './record-lines.ts';
import { checkRevocation } from './revocation-line.ts';
import { checkSecrets } from './secret-line.ts';
import { readStepReports } from './step-reports.ts';
import { createKubectlPlugin, type RunKubectlPlugin } from './kubectl-plugin.ts';
import { waitForEnd, waitUntilReady } from '../test/kit/retry.ts';
import { reviewPod, type WebhookAddress } from './webhook-client.ts';

/** What keeps running at the end with `--keep`. */
export type DemoState = {
  readonly layout: ProcessLayout;
  readonly pod: Pod;
  readonly telemetryUrl: string;
  readonly kubeconfig: string;
  /** The timeline of one run, from the audit records and the cloud's log. */
  readonly timeline: readonly string[];
};

type ShowLine = (line: ResultLine) => void;
type Defer = Pick<CleanupStack, 'defer'>;

const CONSUMERS_TIMEOUT_MS = 40_000;

/**
 * Runs the demo in one folder and prints each line as soon as its result is known.
 *
 * @throws Error with the last log lines if a program does not start or fails
 */
export const runDemo = async (
  folder: string,
  closing: CleanupStack,
  show: ShowLine,
): Promise<DemoState> => {
  const [port = 0, loopback = 0, telemetry = 0, gateway = 0] = await findFreePorts(4);
  const endpoint = `https://localhost:${port}`;
  const cluster = await startDemoCluster(folder, closing);
  const cloud = await startDemoCloud({ issuer: endpoint, roots: cluster.readTrustBundle }, closing);
  const programs = createParallelCleanup(closing);
  const kubeconfig = cluster.writeKubeconfig('demo');
  const plugin = createKubectlPlugin({ folder, kubeconfig }, programs);
  const stsEndpoint = cloud.endpoint;
  const plane = await startControlPlane({ folder, endpoint, stsEndpoint, cluster }, programs);
  const { readyMs } = plane;
  const name = 'webhook and authority ready';
  show(buildLine({ name, expected: '200', got: '200', milliseconds: readyMs }));
  const pod = await admitPod(plane.webhook, readDemoPod(cloud.endpoint), show);
  const layout = prepareLayout(folder, { pod, uid: cluster.createRunningPod(pod) }, [
    loopback,
    telemetry,
    gateway,
  ]);
  const token = await cluster.projectToken();
  writeProjectedToken(layout, token);
  const telemetryUrl = `http://127.0.0.1:${telemetry}`;
  await startSidecar({ layout, pod, telemetryUrl }, programs, show);
  const run = await runConsumers({ layout, pod, cluster, cloud, plugin }, programs, show);
  show(await checkCloudTrust(cloud, token));
  const records = await checkRecords({ folder, tool: plugin, events: cloud.listEvents(), run });
  show(records.verification);
  show(records.timelineLine);
  await saveMetrics(folder, telemetryUrl);
  show(checkSecrets({ layout, pod, sessions: cloud.listSessions(), token }));
  return { layout, pod, telemetryUrl: telemetryUrl, kubeconfig, timeline: records.timeline };
};

const admitPod = async (webhook: WebhookAddress, pod: Pod, show: ShowLine): Promise<Pod> => {
  const startedAt = performance.now();
  const mutated = await reviewPod(webhook, MUTATE_PATH, pod);
  if (!mutated.allowed) throw new Error(`the webhook refused the pod: ${mutated.message}`);
  const patched = applyPatch(pod, mutated.patch) as Pod;
  const validated = await reviewPod(webhook, VALIDATE_PATH, patched);
  const isPatched = mutated.patch.length > 0;
  show(
    buildLine({
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

type PreparedPod = { readonly layout: ProcessLayout; readonly pod: Pod };

const startSidecar = async (
  { layout, pod, telemetryUrl }: PreparedPod & { readonly telemetryUrl: string },
  { defer }: Defer,
  show: ShowLine,
): Promise<void> => {
  const container = findSidecar(pod);
  const sidecar = startChild(buildProcess(layout, container));
  defer(sidecar.stop);
  const milliseconds = await waitUntilReady(sidecar, async () => {
    const answer = await fetch(`${telemetryUrl}${getProbePath(container)}`);
    return answer.ok;
  });
  show(buildLine({ name: 'sidecar ready', expected: '200', got: '200', milliseconds }));
};

/** Path of the startup probe that the webhook injected and that a kubelet would call. */
const getProbePath = ({ startupProbe }: Container): string => {
  const { httpGet } = startupProbe as { readonly httpGet?: { readonly path: string } };
  if (httpGet === undefined)
    throw new Error('expected an HTTP startupProbe on the sidecar, got none');
  return httpGet.path;
};

type ConsumerDeps = PreparedPod & {
  readonly cluster: DemoCluster;
  readonly cloud: EmbeddedCloud;
  readonly plugin: RunKubectlPlugin;
};

/** The helper finishes while the agent waits for a deadline. Then its task is revoked. */
const runConsumers = async (
  { layout, pod, cluster, cloud, plugin }: ConsumerDeps,
  { defer }: Defer,
  show: ShowLine,
): Promise<string> => {
  const start = (name: string): Child => {
    const child = startChild(buildProcess(layout, findContainer(pod, name)));
    defer(child.stop);
    return child;
  };
  const [agent, helper] = [start('agent'), start('helper')];
  const ended = waitForEnd(agent, CONSUMERS_TIMEOUT_MS);
  const socket = buildProcess(layout, findContainer(pod, 'helper')).env[CONSUMER_ENV.socket] ?? '';
  const revoking = waitForEnd(helper, CONSUMERS_TIMEOUT_MS).then(() =>
    checkRevocation({
      cluster: cluster.apiServer,
      tool: plugin,
      socket,
      task: 'default/agent/archive',
    }),
  );
  const [, revoked] = await Promise.all([ended, revoking]);
  const steps = { agent: readStepReports(agent), helper: readStepReports(helper) };
  buildConsumerLines(steps, cloud.listEvents()).forEach(show);
  show(revoked);
  return steps.agent('report globex').run ?? '';
};

/** Writes the metrics to a file, so that the search for secrets includes them. */
const saveMetrics = async (folder: string, telemetryUrl: string): Promise<void> => {
  const answer = await fetch(`${telemetryUrl}/metrics`);
  writeFileSync(join(folder, 'logs', 'sidecar-metrics.txt'), await answer.text());
};
