import { join } from 'node:path';
import type { Container, Pod } from '../lib/contract/pod.ts';
import { findFreePorts } from '../test/kit/free-ports.ts';
import { waitUntilReady } from '../test/kit/retry.ts';
import { startChild, type Child } from './child-process.ts';
import type { CleanupStack } from './cleanup-stack.ts';
import type { DemoCluster } from './demo-cluster.ts';
import {
  findContainer,
  findSidecar,
  prepareLayout,
  writeProjectedToken,
  type DemoPodName,
} from './demo-pod.ts';
import { buildProcess, type ProcessLayout } from './pod-processes.ts';
import { buildLine, type ResultLine } from './result-line.ts';
import { reviewNewPod, type WebhookAddress } from './webhook-client.ts';

/** Startup takes a second on an idle machine. */
const READY_TIMEOUT_MS = 90_000;

type Defer = Pick<CleanupStack, 'defer'>;

/** An admitted pod whose sidecar is ready. */
export type RunningPod = {
  readonly layout: ProcessLayout;
  readonly pod: Pod;
  /** The projected token of its sidecar. */
  readonly token: string;
  readonly telemetryUrl: string;
  /** The sidecar's log, with the journal of calls. */
  readonly calls: string;
  /** Starts a consumer. */
  readonly start: (name: string) => Child;
  /** How its admission and the start of its sidecar went. */
  readonly lines: readonly ResultLine[];
};

/**
 * Sends a pod to the webhook and starts the sidecar of what comes back.
 *
 * @throws Error if it is refused, or if its sidecar does not start
 */
export const startRunningPod = async (
  given: {
    readonly name: DemoPodName;
    readonly wanted: Pod;
    /** Folder of the demo; the pod has a folder below it. */
    readonly folder: string;
    readonly podIps: readonly string[];
    readonly cluster: DemoCluster;
    readonly webhook: WebhookAddress;
  },
  programs: Defer,
): Promise<RunningPod> => {
  const { name, wanted, folder, podIps, cluster, webhook } = given;
  const { pod, line: admissionLine } = await admitPod(webhook, wanted);
  const running = { pod, uid: cluster.createRunningPod(pod), podIps };
  const [loopback = 0, telemetry = 0, gateway = 0] = await findFreePorts(3);
  const layout = prepareLayout(join(folder, name), running, [loopback, telemetry, gateway]);
  const token = await cluster.projectToken(name);
  writeProjectedToken(layout, token);
  const telemetryUrl = `http://127.0.0.1:${telemetry}`;
  const container = findSidecar(pod);
  const sidecarLine = await startSidecar({ layout, container, telemetryUrl }, programs);
  return {
    ...{ layout, pod, token, telemetryUrl },
    calls: buildProcess(layout, container).log,
    start: (consumer) => {
      const child = startChild(buildProcess(layout, findContainer(pod, consumer)));
      programs.defer(child.stop);
      return child;
    },
    lines: [admissionLine, sidecarLine],
  };
};

const admitPod = async (
  webhook: WebhookAddress,
  pod: Pod,
): Promise<{ readonly pod: Pod; readonly line: ResultLine }> => {
  const startedAt = performance.now();
  const { allowed, message, patched, operations } = await reviewNewPod(webhook, pod);
  if (!allowed) throw new Error(`the webhook refused the pod: ${message}`);
  const line = buildLine({
    name: 'admitted and patched',
    expected: 'allowed',
    got: operations > 0 ? 'allowed' : 'allowed, not patched',
    detail: `${operations} operations`,
    milliseconds: performance.now() - startedAt,
  });
  return { pod: patched, line };
};

const startSidecar = async (
  {
    layout,
    container,
    telemetryUrl,
  }: Pick<RunningPod, 'layout' | 'telemetryUrl'> & { readonly container: Container },
  { defer }: Defer,
): Promise<ResultLine> => {
  const sidecar = startChild(buildProcess(layout, container));
  defer(sidecar.stop);
  const probe = `${telemetryUrl}${getProbePath(container)}`;
  const milliseconds = await waitUntilReady(sidecar, async () => (await fetch(probe)).ok, {
    timeoutMs: READY_TIMEOUT_MS,
  });
  return buildLine({ name: 'sidecar ready', expected: '200', got: '200', milliseconds });
};

/** Path of the startup probe that the webhook injected and that a kubelet would call. */
const getProbePath = ({ startupProbe }: Container): string => {
  const { httpGet } = startupProbe as { readonly httpGet?: { readonly path: string } };
  if (httpGet === undefined)
    throw new Error('expected an HTTP startupProbe on the sidecar, got none');
  return httpGet.path;
};
