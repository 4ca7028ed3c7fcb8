import { realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CONSUMER_ENV } from '../lib/contract/environment.ts';
import type { Container, Pod } from '../lib/contract/pod.ts';
import type { EmbeddedCloud } from '../test/fakes/cloud/embedded-cloud.ts';
import { startChild, type Child } from './child-process.ts';
import { startDemoCloud } from './demo-cloud.ts';
import { checkCloudTrust } from './cloud-trust-line.ts';
import { createParallelCleanup, type CleanupStack } from './cleanup-stack.ts';
import { startDemoCluster, type DemoCluster } from './demo-cluster.ts';
import { buildAgentLines } from './agent-lines.ts';
import { buildHelperLines, buildNoExceptionLine } from './helper-lines.ts';
import { checkConsumerKeys } from './key-search-line.ts';
import { findOwnAddress } from './own-address.ts';
import { startControlPlane } from './demo-control-plane.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import { buildProcess, type ProcessLayout } from './pod-processes.ts';
import {
  findContainer,
  prepareLayout,
  readDemoPod,
  renameVendTask,
  findSidecar,
  writeProjectedToken,
} from './demo-pod.ts';
import { findFreePorts } from '../test/kit/free-ports.ts';
import { checkRecords } from './record-lines.ts';
import { checkSecrets } from './secret-line.ts';
import { readStepReports } from './step-reports.ts';
import { buildUploadLine, revokeUpload, UPLOAD } from './upload-line.ts';
import { createKubectlPlugin, type RunKubectlPlugin } from './kubectl-plugin.ts';
import { UnrecoverableError, waitFor, waitForEnd, waitUntilReady } from '../test/kit/retry.ts';
import { reviewNewPod, type WebhookAddress } from './webhook-client.ts';

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
  const address = findOwnAddress();
  // The authority sees the pod on loopback, and the cloud sees it at the machine's address.
  const podIps = ['127.0.0.1', address];
  const cluster = await startDemoCluster(folder, podIps, closing);
  const issuer = { issuer: endpoint, roots: cluster.readTrustBundle };
  const cloud = await startDemoCloud(address, issuer, closing);
  const programs = createParallelCleanup(closing);
  const kubeconfig = cluster.writeKubeconfig('demo');
  const plugin = createKubectlPlugin({ folder, kubeconfig }, programs);
  const cloudEndpoint = cloud.endpoint;
  const plane = await startControlPlane({ folder, endpoint, cloudEndpoint, cluster }, programs);
  const { readyMs } = plane;
  const name = 'webhook and authority ready';
  show(buildLine({ name, expected: '200', got: '200', milliseconds: readyMs }));
  const wanted = readDemoPod(cloudEndpoint);
  const pod = await admitPod(plane.webhook, wanted, show);
  const running = { pod, uid: cluster.createRunningPod(pod), podIps };
  const layout = prepareLayout(folder, running, [loopback, telemetry, gateway]);
  const token = await cluster.projectToken();
  writeProjectedToken(layout, token);
  const telemetryUrl = `http://127.0.0.1:${telemetry}`;
  await startSidecar({ layout, pod, telemetryUrl }, programs, show);
  const run = await runConsumers({ layout, pod, cluster, cloud, plugin }, programs, show);
  show(await checkNoException(plane.webhook, wanted));
  show(await checkCloudTrust(cloud, token));
  const calls = buildProcess(layout, findSidecar(pod)).log;
  const events = cloud.listEvents();
  const records = await checkRecords({ folder, tool: plugin, events, run, calls });
  show(records.verification);
  show(records.timelineLine);
  await saveMetrics(folder, telemetryUrl);
  show(checkSecrets({ layout, pod, sessions: cloud.listSessions(), token }));
  return { layout, pod, telemetryUrl: telemetryUrl, kubeconfig, timeline: records.timeline };
};

const admitPod = async (webhook: WebhookAddress, pod: Pod, show: ShowLine): Promise<Pod> => {
  const startedAt = performance.now();
  const { allowed, message, patched, operations } = await reviewNewPod(webhook, pod);
  show(
    buildLine({
      name: 'admitted and patched',
      expected: 'allowed',
      got: allowed && operations > 0 ? 'allowed' : `refused: ${message}`,
      detail: `${operations} operations`,
      milliseconds: performance.now() - startedAt,
    }),
  );
  if (!allowed) throw new Error(`the webhook refused the pod: ${message}`);
  return patched;
};

const checkNoException = async (webhook: WebhookAddress, pod: Pod): Promise<ResultLine> => {
  const startedAt = performance.now();
  const reviewed = await reviewNewPod(webhook, renameVendTask(pod));
  return buildNoExceptionLine(reviewed, performance.now() - startedAt);
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

/** The helper waits for its deadline while the agent works, is searched, and has its upload cut. */
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
  const helperEnded = waitForEnd(helper, CONSUMERS_TIMEOUT_MS);
  const cutUpload = async () => {
    await waitForUpload(agent, cloud);
    const keySearch = await searchAgent({ layout, pod }, agent, cloud);
    const revocation = await revokeUpload(cluster.apiServer, plugin);
    await waitForEnd(agent, CONSUMERS_TIMEOUT_MS);
    return { keySearch, revocation };
  };
  const [{ keySearch, revocation }] = await Promise.all([cutUpload(), helperEnded]);
  const steps = { agent: readStepReports(agent), helper: readStepReports(helper) };
  const events = cloud.listEvents();
  buildAgentLines(steps, events).forEach(show);
  show(keySearch);
  show(buildUploadLine(steps.agent(UPLOAD.step), revocation, events));
  buildHelperLines(steps.helper, events).forEach(show);
  return steps.agent('report globex').run ?? '';
};

/** Returns while the cloud receives the agent's upload: the gateway has signed it with keys of the cloud. */
const waitForUpload = (agent: Child, cloud: EmbeddedCloud): Promise<unknown> =>
  waitFor(
    "the agent's upload",
    () => {
      if (!agent.isRunning()) throw new UnrecoverableError(`the agent ended: ${agent.lastLog()}`);
      return cloud.isReceiving(UPLOAD.path);
    },
    { timeoutMs: CONSUMERS_TIMEOUT_MS, intervalMs: 20 },
  );

const searchAgent = (
  { layout, pod }: PreparedPod,
  consumer: Child,
  cloud: EmbeddedCloud,
): Promise<ResultLine> => {
  const { env } = buildProcess(layout, findContainer(pod, consumer.name));
  const socket = env[CONSUMER_ENV.socket] ?? '';
  const volume = realpathSync(dirname(socket));
  const sessions = cloud.listSessions();
  return checkConsumerKeys({ consumer, env, volume, socket, sessions });
};

/** Writes the metrics to a file, so that the search for secrets includes them. */
const saveMetrics = async (folder: string, telemetryUrl: string): Promise<void> => {
  const answer = await fetch(`${telemetryUrl}/metrics`);
  writeFileSync(join(folder, 'logs', 'sidecar-metrics.txt'), await answer.text());
};
