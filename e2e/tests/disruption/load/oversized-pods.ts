import { buildAgentPod, readReports } from '../../test-context.ts';
import type { Declaration } from '../../test-context.ts';

/** The API server's limit for all annotations of an object, names and values. */
const ANNOTATIONS_BYTES = 256 * 1024;
const TASKS = 16;
const PADDING = 'notes.example/padding';
/** Quotes and line ends are escaped in JSON, as in real annotations. */
const NOTE = 'notes of "another team", which Valetkey does not read\n';

/** Scheduling gate of a pod that never runs, so that only its creation has a cost. */
const gatedSpec = { schedulingGates: [{ name: 'load.example/never' }] };

type NamespacedName = { namespace: string; name: string };

const buildTasks = (workload: number): Record<string, Declaration> =>
  Object.fromEntries(
    Array.from({ length: TASKS }, (_, index) => {
      const resources = [`arn:aws:s3:::acme-data/workload-${workload}/step-${index}/*`];
      const allow = [{ actions: ['s3:GetObject', 's3:PutObject'], resources }];
      return [`step-${index}`, { allow, purpose: `step ${index} of a long workflow` }];
    }),
  );

const countAnnotationBytes = (annotations: Record<string, string>): number =>
  Object.entries(annotations).reduce((sum, [name, value]) => sum + name.length + value.length, 0);

/** Builds padding up to the limit, beside the tasks of a workload. */
const buildPadding = (tasks: Record<string, string>): string => {
  const size = ANNOTATIONS_BYTES - countAnnotationBytes(tasks) - PADDING.length;
  return NOTE.repeat(Math.ceil(size / NOTE.length)).slice(0, size);
};

/**
 * Builds request bodies of a pod with 16 tasks and foreign annotations up to the limit, and of the same
 * pod without tasks.
 */
export const buildOversizedPods = (place: NamespacedName, workload: number) => {
  const pod = buildAgentPod({ ...place, tasks: buildTasks(workload), spec: gatedSpec });
  const { annotations: tasks } = pod.metadata;
  const padding = { [PADDING]: buildPadding(tasks) };
  const bodyWith = (annotations: Record<string, string>): Buffer =>
    Buffer.from(JSON.stringify({ ...pod, metadata: { ...pod.metadata, annotations } }));
  return {
    paddingBytes: countAnnotationBytes(padding),
    withTasks: bodyWith({ ...tasks, ...padding }),
    withoutTasks: bodyWith(padding),
  };
};

/** Builds an ordinary pod with one task. */
export const buildLightPod = (place: NamespacedName) =>
  buildAgentPod({ ...place, tasks: { read: readReports } });
