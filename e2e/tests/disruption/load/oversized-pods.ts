import { buildAgentPod, readReports } from '../../test-context.ts';
import type { Declaration } from '../../test-context.ts';

/** What an API server lets all annotations of an object have, names and values. */
const ANNOTATIONS_BYTES = 256 * 1024;
const TASKS = 16;
const PADDING = 'notes.example/ballast';
/** Its quotes and line ends are escaped on the wire, as in what people put there. */
const NOTE = 'notes of "somebody else", which are no business of ours\n';

/** A pod that waits for ever, so that nothing but its creation costs anything. */
const gatedSpec = { schedulingGates: [{ name: 'load.example/never' }] };

type NamespacedName = { namespace: string; name: string };

const buildTasks = (workload: number): Record<string, Declaration> =>
  Object.fromEntries(
    Array.from({ length: TASKS }, (_, index) => {
      const resources = [`arn:aws:s3:::acme-data/workload-${workload}/step-${index}/*`];
      const allow = [{ actions: ['s3:GetObject', 's3:PutObject'], resources }];
      return [`step-${index}`, { allow, purpose: `step ${index} of a long piece of work` }];
    }),
  );

const countAnnotationBytes = (annotations: Record<string, string>): number =>
  Object.entries(annotations).reduce((sum, [name, value]) => sum + name.length + value.length, 0);

/** As much as fits beside the tasks of a workload. */
const buildPadding = (tasks: Record<string, string>): string => {
  const room = ANNOTATIONS_BYTES - countAnnotationBytes(tasks) - PADDING.length;
  return NOTE.repeat(Math.ceil(room / NOTE.length)).slice(0, room);
};

/**
 * A pod with 16 tasks, and foreign annotations up to the limit; and the same without its tasks: as
 * bodies of requests.
 */
export const buildOversizedPods = (place: NamespacedName, workload: number) => {
  const pod = buildAgentPod({ ...place, tasks: buildTasks(workload), spec: gatedSpec });
  const { annotations: tasks } = pod.metadata;
  const ballast = { [PADDING]: buildPadding(tasks) };
  const bodyWith = (annotations: Record<string, string>): Buffer =>
    Buffer.from(JSON.stringify({ ...pod, metadata: { ...pod.metadata, annotations } }));
  return {
    ballastBytes: countAnnotationBytes(ballast),
    withTasks: bodyWith({ ...tasks, ...ballast }),
    withoutTasks: bodyWith(ballast),
  };
};

/** An ordinary pod with one task. */
export const buildLightPod = (place: NamespacedName) =>
  buildAgentPod({ ...place, tasks: { read: readReports } });
