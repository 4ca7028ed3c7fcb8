import { INJECTED_LABEL } from '../../../lib/contract/names.ts';
import { toMapping, type Mapping } from '../../../lib/schema/mapping.ts';
import { readManifestFiles } from '../file-pods.ts';
import type { Io } from '../io.ts';
import { createUsageError } from '../tool-error.ts';

/** Names of the containers of the agent: the call of one is within the task, that of the other is not. */
export const CALLS = ['allowed', 'refused'] as const;
export type CallName = (typeof CALLS)[number];

export type AgentPod = {
  readonly namespace: string;
  readonly name: string;
  /** As the file states it. */
  readonly object: Mapping;
  /** Command line of each call. */
  readonly commands: Readonly<Record<CallName, string>>;
};

/**
 * Reads the agent: a Pod with a namespace and one container for each of {@link CALLS}.
 *
 * @throws ToolError for a file that cannot be read, or has no such Pod
 */
export const readAgentPod = async (path: string, io: Pick<Io, 'streamFile'>): Promise<AgentPod> => {
  const manifests = await readManifestFiles([path], io);
  const [pod, ...others] = manifests.filter(({ kind }) => kind === 'Pod');
  const {
    name,
    namespace = '',
    content,
  } = pod ?? { name: '', content: { type: 'other' as const } };
  const object = content.type === 'workload' ? toMapping(content.object) : {};
  const commands = readCommands(object);
  if (others.length > 0 || namespace === '' || commands === undefined) {
    const expected = `one Pod with a namespace, a task and the containers ${CALLS.join(' and ')}`;
    throw createUsageError([{ path, expected, got: 'something else' }]);
  }
  return { namespace, name, object, commands };
};

const readCommands = ({ spec }: Mapping): AgentPod['commands'] | undefined => {
  const { containers } = toMapping(spec);
  const all = Array.isArray(containers) ? containers.map(toMapping) : [];
  const [allowed, refused] = CALLS.map((name) => all.find((each) => each['name'] === name));
  if (allowed === undefined || refused === undefined) return undefined;
  return { allowed: formatCommand(allowed), refused: formatCommand(refused) };
};

const formatCommand = ({ args }: Mapping): string =>
  `aws ${(Array.isArray(args) ? args : []).join(' ')}`;

/** Whether the webhook changed the pod. */
export const isInjected = (pod: Mapping): boolean =>
  toMapping(toMapping(pod['metadata'])['labels'])[INJECTED_LABEL] === 'true';
