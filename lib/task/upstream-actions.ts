import type { Provider, TaskStatement } from '../contract/task.ts';
import {
  HTTP_METHODS,
  TASK_PROTOCOLS,
  UPSTREAM_PROTOCOLS,
  type TaskProtocol,
} from '../contract/upstream.ts';

/** The actions of each protocol, as tasks list them. */
export const PROTOCOL_ACTIONS: Readonly<Record<TaskProtocol, readonly string[]>> = {
  http: HTTP_METHODS.map((method) => `http:${method}`),
  git: ['git:fetch', 'git:push', 'git:delete-ref'],
  mcp: ['mcp:tools/call', 'mcp:resources/read', 'mcp:prompts/get'],
  postgres: ['postgres:connect'],
};

/** Providers whose tasks name an Upstream, with the protocols of their actions. */
export const PROVIDER_PROTOCOLS = {
  http: UPSTREAM_PROTOCOLS,
  postgres: ['postgres'],
} as const satisfies Partial<Record<Provider, readonly TaskProtocol[]>>;
export type UpstreamProvider = keyof typeof PROVIDER_PROTOCOLS;

/** Whether tasks of a provider name an Upstream. */
export const isUpstreamProvider = (provider: string): provider is UpstreamProvider =>
  Object.hasOwn(PROVIDER_PROTOCOLS, provider);

/** The protocol that an action names, whether or not the action exists. */
export const readActionProtocol = (action: unknown): TaskProtocol | undefined => {
  const [prefix] = typeof action === 'string' ? action.split(':', 1) : [];
  return TASK_PROTOCOLS.find((protocol) => protocol === prefix);
};

/**
 * The protocol of a task of an Upstream: all its actions are of one.
 *
 * @throws Error for a task of another provider
 */
export const getTaskProtocol = ({
  allow,
}: {
  readonly allow: readonly TaskStatement[];
}): TaskProtocol => {
  const protocol = readActionProtocol(allow[0]?.actions[0]);
  if (protocol === undefined) throw new Error('the task has no action of an Upstream');
  return protocol;
};
