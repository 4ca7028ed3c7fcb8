import { realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { CONSUMER_ENV } from '../lib/contract/environment.ts';
import type { Pod } from '../lib/contract/pod.ts';
import type { CloudEvent, EmbeddedCloud } from '../test/fakes/cloud/embedded-cloud.ts';
import { UnrecoverableError, waitFor, waitForEnd } from '../test/kit/retry.ts';
import { buildAgentLines } from './agent-lines.ts';
import { ASKED_STEPS, buildApprovalLines, decideAsPeople } from './approval-lines.ts';
import { APPROVER } from './approval-rules.ts';
import type { Child } from './child-process.ts';
import { createParallelCleanup, type CleanupStack } from './cleanup-stack.ts';
import { checkCloudTrust } from './cloud-trust-line.ts';
import { buildDelegationLines, passDelegation } from './delegation-lines.ts';
import { startDemoCloud } from './demo-cloud.ts';
import { startDemoCluster, type DemoCluster } from './demo-cluster.ts';
import { startControlPlane } from './demo-control-plane.ts';
import { findContainer, readDemoPod, renameVendTask, type DemoPodName } from './demo-pod.ts';
import { startDemoUpstreams, type DemoUpstreams } from './demo-upstreams.ts';
import { buildHelperLines, buildNoExceptionLine } from './helper-lines.ts';
import { checkConsumerKeys } from './key-search-line.ts';
import { createKubectlPlugin, type RunKubectlPlugin } from './kubectl-plugin.ts';
import { requireOwnAddress } from './own-address.ts';
import { buildProcess } from './pod-processes.ts';
import { checkRecords, type RecordLines } from './record-lines.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import { startRunningPod, type RunningPod } from './running-pod.ts';
import { checkSecrets } from './secret-line.ts';
import { readStepReports } from './step-reports.ts';
import { buildUploadLine, revokeUpload, UPLOAD } from './upload-line.ts';
import { buildUpstreamLines } from './upstream-lines.ts';
import { reviewNewPod, type WebhookAddress } from './webhook-client.ts';
import { findFreePorts } from '../test/kit/free-ports.ts';

/** What keeps running at the end with `--keep`. */
export type DemoState = Pick<RunningPod, 'layout' | 'pod' | 'telemetryUrl'> & {
  readonly kubeconfig: string;
  /** The timeline of one run, and the command that shows it. */
  readonly records: Pick<RecordLines, 'timeline' | 'command'>;
};

type ShowLine = (line: ResultLine) => void;

/** A bound for what hangs, not for what is slow. */
const CONSUMERS_TIMEOUT_MS = 150_000;

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
  const [port = 0] = await findFreePorts(1);
  const endpoint = `https://localhost:${port}`;
  const address = requireOwnAddress();
  // The authority sees a pod on loopback, and the cloud sees it at the machine's address.
  const podIps = ['127.0.0.1', address];
  const cluster = await startDemoCluster(folder, podIps, closing);
  const issuer = { issuer: endpoint, roots: cluster.readTrustBundle };
  const cloud = await startDemoCloud(address, issuer, closing);
  const upstreams = await startDemoUpstreams(address, cluster, closing);
  const programs = createParallelCleanup(closing);
  const asUser = (username: string): RunKubectlPlugin =>
    createKubectlPlugin({ folder, kubeconfig: cluster.writeKubeconfig(username) }, programs);
  const cloudEndpoint = cloud.endpoint;
  const { webhook, readyMs } = await startControlPlane(
    { folder, endpoint, cloudEndpoint, cluster },
    programs,
  );
  const name = 'webhook and authority ready';
  show(buildLine({ name, expected: '200', got: '200', milliseconds: readyMs }));
  const readPod = (pod: DemoPodName) => readDemoPod(pod, cloudEndpoint, upstreams.modelUrl);
  const startPod = (pod: DemoPodName) =>
    startRunningPod(
      { name: pod, wanted: readPod(pod), folder, podIps, cluster, webhook },
      programs,
    );
  const [agent, reader] = await Promise.all([startPod('agent'), startPod('reader')]);
  agent.lines.forEach(show);
  const pods = { agent, reader };
  const run = await runConsumers({ pods, cluster, cloud, upstreams, asUser }, show);
  show(await checkNoException(webhook, readPod('agent')));
  show(await checkCloudTrust(cloud, agent.token));
  const events = cloud.listEvents();
  const calls = [agent.calls, reader.calls];
  const records = await checkRecords({ folder, tool: asUser('demo'), events, run, calls });
  show(records.verification);
  show(records.timelineLine);
  await saveMetrics(folder, pods);
  const { keys } = upstreams;
  const sessions = cloud.listSessions();
  show(checkSecrets({ folder, pods: [agent, reader], sessions, keys }));
  return { ...agent, kubeconfig: cluster.writeKubeconfig('demo'), records };
};

const checkNoException = async (webhook: WebhookAddress, pod: Pod): Promise<ResultLine> => {
  const startedAt = performance.now();
  const reviewed = await reviewNewPod(webhook, renameVendTask(pod));
  return buildNoExceptionLine(reviewed, performance.now() - startedAt);
};

type DemoPods = { readonly agent: RunningPod; readonly reader: RunningPod };

type ConsumerDeps = {
  readonly pods: DemoPods;
  readonly cluster: DemoCluster;
  readonly cloud: EmbeddedCloud;
  readonly upstreams: DemoUpstreams;
  /** `kubectl valetkey` of a user. */
  readonly asUser: (username: string) => RunKubectlPlugin;
};

/**
 * The helper waits for its deadline while the agent works, asks people, delegates, is searched, and has its upload cut.
 *
 * @returns the run that people approved
 */
const runConsumers = async (deps: ConsumerDeps, show: ShowLine): Promise<string> => {
  const { pods, cloud, upstreams } = deps;
  const [agent, helper] = [pods.agent.start('agent'), pods.agent.start('helper')];
  const reader = pods.reader.start('reader');
  const [seen] = await Promise.all([
    workWithAgent({ agent, reader }, deps),
    ...[helper, reader].map((child) => waitForEnd(child, CONSUMERS_TIMEOUT_MS)),
  ]);
  const reports = {
    agent: readStepReports(agent),
    helper: readStepReports(helper),
    reader: readStepReports(reader),
  };
  const events: readonly CloudEvent[] = cloud.listEvents();
  buildAgentLines(reports, events).forEach(show);
  buildApprovalLines(reports.agent, seen.own, events).forEach(show);
  buildDelegationLines(reports, events).forEach(show);
  buildUpstreamLines(reports.agent, upstreams).forEach(show);
  show(seen.keySearch);
  show(buildUploadLine(reports.agent(UPLOAD.step), seen.revocation, events));
  buildHelperLines(reports.helper, events).forEach(show);
  return reports.agent(ASKED_STEPS.collected).run ?? '';
};

/** What people and the other agent do while the agent works. */
const workWithAgent = async (
  { agent, reader }: { readonly agent: Child; readonly reader: Child },
  { pods, cluster, cloud, upstreams, asUser }: ConsumerDeps,
) => {
  const own = await decideAsPeople(agent, {
    apiServer: cluster.apiServer,
    approver: asUser(APPROVER),
    serviceAccount: asUser('system:serviceaccount:default:agent'),
  });
  await passDelegation(agent, reader);
  await waitForUpload(agent, cloud);
  const keySearch = await searchAgent({ running: pods.agent, upstreams }, agent, cloud);
  const revocation = await revokeUpload(cluster.apiServer, asUser('demo'));
  await waitForEnd(agent, CONSUMERS_TIMEOUT_MS);
  return { own, keySearch, revocation };
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
  {
    running: { layout, pod },
    upstreams: { keys },
  }: { readonly running: RunningPod; readonly upstreams: DemoUpstreams },
  consumer: Child,
  cloud: EmbeddedCloud,
): Promise<ResultLine> => {
  const { env } = buildProcess(layout, findContainer(pod, consumer.name));
  const socket = env[CONSUMER_ENV.socket] ?? '';
  const volume = realpathSync(dirname(socket));
  const sessions = cloud.listSessions();
  return checkConsumerKeys({ consumer, env, volume, socket, sessions, keys });
};

/** Writes the metrics to files, so that the search for secrets includes them. */
const saveMetrics = async (folder: string, pods: DemoPods): Promise<void> => {
  for (const [name, { telemetryUrl }] of Object.entries(pods)) {
    const answer = await fetch(`${telemetryUrl}/metrics`);
    writeFileSync(join(folder, `${name}-metrics.txt`), await answer.text());
  }
};
