import { agentPod, readReports } from '../../stage.ts';
import type { Declaration } from '../../stage.ts';

/** What an API server lets all annotations of an object have, names and values. */
const ANNOTATIONS_BYTES = 256 * 1024;
const TASKS = 16;
const BALLAST = 'notes.example/ballast';
/** Its quotes and line ends are escaped on the wire, as in what people put there. */
const NOTE = 'notes of "somebody else", which are no business of ours\n';

/** A pod that waits for ever, so that nothing but its creation costs anything. */
const gated = { schedulingGates: [{ name: 'load.example/never' }] };

type Place = { namespace: string; name: string };

const tasksOf = (workload: number): Record<string, Declaration> =>
  Object.fromEntries(
    Array.from({ length: TASKS }, (_, index) => {
      const resources = [`arn:aws:s3:::acme-data/workload-${workload}/step-${index}/*`];
      const allow = [{ actions: ['s3:GetObject', 's3:PutObject'], resources }];
      return [`step-${index}`, { allow, purpose: `step ${index} of a long piece of work` }];
    }),
  );

const bytesOf = (annotations: Record<string, string>): number =>
  Object.entries(annotations).reduce((sum, [name, value]) => sum + name.length + value.length, 0);

/** As much as fits beside the tasks of a workload. */
const ballastBeside = (tasks: Record<string, string>): string => {
  const room = ANNOTATIONS_BYTES - bytesOf(tasks) - BALLAST.length;
  return NOTE.repeat(Math.ceil(room / NOTE.length)).slice(0, room);
};

/**
 * A pod with 16 tasks, and foreign annotations up to the limit; and the same without its tasks: as
 * bodies of requests.
 */
export const ladenPods = (place: Place, workload: number) => {
  const pod = agentPod({ ...place, tasks: tasksOf(workload), spec: gated });
  const { annotations: tasks } = pod.metadata;
  const ballast = { [BALLAST]: ballastBeside(tasks) };
  const bodyWith = (annotations: Record<string, string>): Buffer =>
    Buffer.from(JSON.stringify({ ...pod, metadata: { ...pod.metadata, annotations } }));
  return {
    ballastBytes: bytesOf(ballast),
    withTasks: bodyWith({ ...tasks, ...ballast }),
    withoutTasks: bodyWith(ballast),
  };
};

/** An ordinary pod with one task. */
export const lightPod = (place: Place) => agentPod({ ...place, tasks: { read: readReports } });
