import { toMapping, type Mapping } from '../../../lib/schema/mapping.ts';
import { formatValue } from '../../../lib/schema/field-error.ts';

/** How a container of a pod ended. */
export type EndedContainer = { readonly name: string; readonly exitCode: number };

/** Reads the containers that have ended, and why others have not. */
export const readPodState = (
  pod: Mapping,
): {
  readonly phase: string;
  readonly ended: readonly EndedContainer[];
  /** Why a container waits: `agent: ImagePullBackOff: …`. */
  readonly waiting: readonly string[];
  /** A reason that no waiting changes. */
  readonly fatal: string | undefined;
} => {
  const status = toMapping(pod['status']);
  const initContainers = listMappings(status['initContainerStatuses']);
  const containers = listMappings(status['containerStatuses']);
  const waiting = [...initContainers, ...containers].flatMap(readWaiting);
  const scheduling = listMappings(status['conditions'])
    .filter(({ type, status: value }) => type === 'PodScheduled' && value === 'False')
    .map(({ message }) => `not scheduled: ${toText(message)}`);
  return {
    phase: toText(status['phase']) || 'Pending',
    ended: containers.flatMap(({ name, state }) => {
      const { exitCode } = toMapping(toMapping(state)['terminated']);
      return typeof exitCode === 'number' ? [{ name: toText(name), exitCode }] : [];
    }),
    waiting: [...scheduling, ...waiting.map(({ text }) => text)],
    fatal: waiting.find(({ reason }) => FATAL.has(reason))?.text,
  };
};

/** The kubelet tries again, but only the user can change the cause. */
const FATAL = new Set([
  'ErrImageNeverPull',
  'ImagePullBackOff',
  'InvalidImageName',
  'CreateContainerConfigError',
]);
/** The state of every container that is simply not started yet. */
const QUIET = new Set(['ContainerCreating', 'PodInitializing']);

const readWaiting = ({ name, image, state }: Mapping) => {
  const { reason, message } = toMapping(toMapping(state)['waiting']);
  if (typeof reason !== 'string' || QUIET.has(reason)) return [];
  const about = reason.includes('Image') ? ` of image ${formatValue(image)}` : '';
  const detail = message === undefined ? '' : `: ${toText(message)}`;
  return [{ reason, text: `container ${toText(name)}: ${reason}${about}${detail}` }];
};

const listMappings = (value: unknown): readonly Mapping[] =>
  Array.isArray(value) ? value.map(toMapping) : [];
const toText = (value: unknown): string => (typeof value === 'string' ? value : '');
