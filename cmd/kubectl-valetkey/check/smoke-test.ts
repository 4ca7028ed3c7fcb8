import { TASK_ANNOTATION_PREFIX } from '../../../lib/contract/names.ts';
import type { Platform } from '../../../lib/contract/platform.ts';
import {
  SMOKE_PROBE_COMMAND,
  SMOKE_PROBE_FILE,
  SMOKE_TASKS,
  type SmokeObject,
  type SmokeProbeLine,
  type SmokeProbePlan,
  type SmokeReplay,
  type SmokeTask,
} from '../../../lib/contract/smoke-test.ts';
import { KubernetesError } from '../../../lib/edge/kubernetes/kubernetes-error.ts';
import type { NamespaceObjects } from '../../../lib/edge/kubernetes/namespace-objects.ts';
import { isMapping } from '../../../lib/schema/mapping.ts';
import { formatValue } from '../../../lib/schema/field-error.ts';
import { parseRoleArn } from '../../../lib/schema/arn.ts';
import type { ClusterClient } from '../cluster.ts';
import type { Io } from '../io.ts';
import { explainPod } from '../quickstart/minio.ts';
import { readPodState } from '../quickstart/pod-state.ts';
import { waitUntil, type Observation } from '../quickstart/waiting.ts';
import { createUsageError, EXIT, ToolError } from '../tool-error.ts';
import { RESOURCES, RESTRICTED } from './admission-checks.ts';

/** What the user names for the smoke test. */
export type SmokeTarget = {
  readonly namespace: string;
  readonly serviceAccount?: string;
  readonly role: string;
  readonly objects: Readonly<Record<SmokeTask, SmokeObject>>;
};

/** What the request of the probe got when this machine sent it. */
export type ReplayResult =
  { readonly status: number; readonly isDenial: boolean } | { readonly unknown: string };

export type SmokeFacts = {
  readonly mode: Platform['cloud']['sourceRestriction']['mode'];
  readonly lines: readonly SmokeProbeLine[];
  /** Absent: the probe did not come so far. */
  readonly replay?: ReplayResult & {
    /** Whether the probe still read with the same credentials after it. */
    readonly wasInTime: boolean;
  };
  /** Why there is no result, or only a part. */
  readonly problem?: string;
};

type SmokeIo = Pick<
  Io,
  'now' | 'schedule' | 'error' | 'newId' | 'onInterrupt' | 'sendSignedRequest'
>;

/** Long enough to see that the credentials end, and short enough to wait for it. */
const LIFETIME_SECONDS = 30;
/** The kubelet ends the pod, should this program be killed before it deletes it. */
const POD_DEADLINE_SECONDS = 300;
const CONTAINER = 'probe';

/**
 * Runs a pod with two tasks, each for one object, and deletes it again, also when the user interrupts.
 *
 * @throws ToolError if the user interrupted
 */
export const runSmokeTest = async (
  cluster: Pick<ClusterClient, 'inNamespace'>,
  { platform, target }: { readonly platform: Platform; readonly target: SmokeTarget },
  io: SmokeIo,
): Promise<SmokeFacts> => {
  const plan = buildPlan(platform, target);
  const name = `valetkey-smoke-test-${io.newId()}`;
  const objects = cluster.inNamespace(target.namespace);
  const { mode } = platform.cloud.sourceRestriction;
  const interrupt = new AbortController();
  const stopWaiting = io.onInterrupt(() => interrupt.abort());
  const observer = createObserver({ objects, name, plan, image: platform.sidecar.image }, io);
  const observe = (): Promise<Observation<true>> => {
    if (interrupt.signal.aborted)
      throw new ToolError(EXIT.interrupted, [`interrupted; pod ${name} is deleted`]);
    return observer.observe();
  };
  try {
    await objects.createPod(buildSmokePod({ name, platform, target, plan }));
    await waitUntil(observe, { goal: 'the smoke test', timeoutMs: 240_000, hint: '' }, io);
    return { mode, ...observer.getFacts() };
  } catch (error) {
    const isExpected = error instanceof KubernetesError || error instanceof ToolError;
    if (interrupt.signal.aborted || !isExpected) throw error;
    return { mode, ...observer.getFacts(), problem: error.message.replace(/\s+/g, ' ').trim() };
  } finally {
    stopWaiting();
    await objects.removePod(name);
  }
};

const buildPlan = ({ cloud }: Platform, { objects }: SmokeTarget): SmokeProbePlan => {
  const { region, dialect, allowHttp, caBundle, httpsProxy, noProxy, sourceRestriction } = cloud;
  return {
    region,
    dialect,
    allowHttp,
    objects,
    s3Endpoint: findS3Endpoint(cloud),
    replays: sourceRestriction.mode !== 'none',
    ...(caBundle !== undefined && { caBundle }),
    ...(httpsProxy !== undefined && { httpsProxy }),
    ...(noProxy !== undefined && { noProxy }),
  };
};

const findS3Endpoint = ({ endpoints = [], region, dialect }: Platform['cloud']): string => {
  const own = endpoints.filter(({ service }) => service === 's3');
  const found = own.find((each) => each.region === region) ?? own.find((each) => !each.region);
  if (found !== undefined) return found.url;
  if (dialect === 'aws') {
    return `https://s3.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
  }
  const expected = 'an endpoint of service s3, because the dialect is s3';
  throw createUsageError([{ path: 'cloud.endpoints', expected, got: 'none' }]);
};

/**
 * Parses `bucket/key`.
 *
 * @throws ToolError for another form: a wildcard would be one in the task
 */
export const parseSmokeObjects = (texts: readonly string[] = []): SmokeTarget['objects'] => {
  const [first, second, ...others] = texts.map((text) => {
    const [, bucket, key] =
      /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])\/([^*?${}]{1,512})$/.exec(text) ?? [];
    if (bucket === undefined || key === undefined) {
      const expected = 'BUCKET/KEY of an object, without * ? $ { }';
      throw createUsageError([{ path: '--object', expected, got: formatValue(text) }]);
    }
    return { bucket, key };
  });
  if (first === undefined || second === undefined || others.length > 0 || texts[0] === texts[1]) {
    const expected = 'two different objects that the role may read';
    throw createUsageError([{ path: '--object', expected, got: `${new Set(texts).size}` }]);
  }
  return { first, second };
};

type PodPlan = {
  readonly name: string;
  readonly platform: Platform;
  readonly target: SmokeTarget;
  readonly plan: SmokeProbePlan;
};

const buildSmokePod = ({ name, platform, target, plan }: PodPlan): object => {
  const { image, imagePullPolicy } = platform.sidecar;
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      labels: { 'app.kubernetes.io/name': 'valetkey-smoke-test' },
      annotations: Object.fromEntries(
        SMOKE_TASKS.map((task) => [
          `${TASK_ANNOTATION_PREFIX}${task}`,
          JSON.stringify(buildTask(target, target.objects[task], platform)),
        ]),
      ),
    },
    spec: {
      restartPolicy: 'Never',
      activeDeadlineSeconds: POD_DEADLINE_SECONDS,
      ...(target.serviceAccount !== undefined && { serviceAccountName: target.serviceAccount }),
      containers: [
        {
          name: CONTAINER,
          image,
          imagePullPolicy,
          command: [...SMOKE_PROBE_COMMAND, JSON.stringify(plan)],
          resources: RESOURCES,
          securityContext: RESTRICTED,
        },
      ],
    },
  };
};

/** The credentials themselves are tested, so the agent must get them: `delivery: vend`. */
const buildTask = (
  { role }: SmokeTarget,
  { bucket, key }: SmokeObject,
  { tasks: { minLifetimeSeconds, maxLifetimeSeconds } }: Platform,
): object => {
  const partition = parseRoleArn(role)?.partition ?? 'aws';
  const place = partition === 'minio' ? 'aws' : partition;
  const seconds = Math.max(minLifetimeSeconds, Math.min(maxLifetimeSeconds, LIFETIME_SECONDS));
  return {
    role,
    delivery: 'vend',
    allow: [{ actions: ['s3:GetObject'], resources: [`arn:${place}:s3:::${bucket}/${key}`] }],
    lifetime: `${seconds}s`,
  };
};

type Observed = {
  readonly objects: NamespaceObjects;
  readonly name: string;
  readonly plan: SmokeProbePlan;
  readonly image: string;
};

/** What Node prints for a file that does not exist. */
const MODULE_MISSING = `Cannot find module '${SMOKE_PROBE_COMMAND.at(-1) ?? ''}'`;

const createMissingProbeError = (image: string): ToolError =>
  new ToolError(EXIT.problems, [
    `image ${image}: expected the probe ${SMOKE_PROBE_FILE}, got none: use the tool of the release of the image`,
  ]);

/** Reads the probe's log, and sends its request from here as soon as it is there. */
const createObserver = ({ objects, name, plan, image }: Observed, io: SmokeIo) => {
  let lines: readonly SmokeProbeLine[] = [];
  let replay: ReplayResult | undefined;
  /** Reads that the log had when the replay had its response. */
  let readsBefore: number | undefined;
  const countReads = (): number => lines.filter(({ step }) => step === 'valid').length;

  const observe = async (): Promise<Observation<true>> => {
    const pod = await objects.readPod(name);
    if (pod === undefined) return { pending: `pod ${name} was deleted` };
    const { ended, phase, fatal } = readPodState(pod);
    if (fatal !== undefined) throw new ToolError(EXIT.problems, [`pod ${name}: ${fatal}`]);
    const hasEnded = ended.some((each) => each.name === CONTAINER);
    if (!hasEnded && phase !== 'Running') {
      return phase === 'Failed' ? { done: true } : { pending: await explainPod(objects, pod) };
    }
    const log = await objects.readLog(name, CONTAINER, io.now());
    lines = parseLines(log);
    if (hasEnded && log.includes(MODULE_MISSING)) throw createMissingProbeError(image);
    if (replay !== undefined) readsBefore ??= countReads();
    const request = lines.find((line) => line.step === 'replay');
    if (request !== undefined && replay === undefined && !hasEnded) {
      replay = await sendReplay(request, plan, io);
    }
    return hasEnded ? { done: true } : { pending: formatProgress(lines.at(-1)) };
  };

  return {
    observe,
    getFacts: (): Pick<SmokeFacts, 'lines' | 'replay'> => {
      // Of two reads after the response, the second was sent after it.
      const wasInTime = readsBefore !== undefined && countReads() >= readsBefore + 2;
      return { lines, ...(replay !== undefined && { replay: { ...replay, wasInTime } }) };
    },
  };
};

const formatProgress = (line: SmokeProbeLine | undefined): string => {
  if (line === undefined) return 'the probe waits for its credentials';
  return line.step === 'valid'
    ? 'the probe waits for the deadline of its credentials'
    : 'the probe uses its credentials';
};

const parseLines = (text: string): readonly SmokeProbeLine[] =>
  text.split('\n').flatMap((line) => {
    try {
      const value: unknown = JSON.parse(line);
      return isMapping(value) && typeof value['step'] === 'string'
        ? [value as unknown as SmokeProbeLine]
        : [];
    } catch {
      return [];
    }
  });

/** The log is the agent's: nothing goes to another host than that of the platform's settings. */
const sendReplay = async (
  { url, headers }: SmokeReplay,
  { s3Endpoint, caBundle }: SmokeProbePlan,
  { sendSignedRequest }: SmokeIo,
): Promise<ReplayResult> => {
  const { origin } = new URL(s3Endpoint);
  if (!url.startsWith(`${origin}/`)) return { unknown: `expected a URL of ${origin}` };
  try {
    const { status, body } = await sendSignedRequest({
      url,
      headers,
      ...(caBundle !== undefined && { caBundle }),
    });
    return { status, isDenial: status === 403 && body.includes('<Code>AccessDenied</Code>') };
  } catch (error) {
    return { unknown: `${origin}: ${error instanceof Error ? error.message : 'no response'}` };
  }
};
