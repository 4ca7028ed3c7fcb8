import { DATABASE_CONSUMER_ENV, SIGN_CONSUMER_ENV } from '../contract/environment.ts';
import { CONSUMER_MOUNT_PATH } from '../contract/paths.ts';
import type { EnvVar } from '../contract/pod.ts';
import type { HttpClient, Task } from '../contract/task.ts';
import { listDatabaseTasks } from '../task/database-ports.ts';
import { buildGitEnv } from './git-settings.ts';
import type { InjectionTemplate } from './injection-template.ts';

type ClientPreset = {
  /** Sets the base URL. Absent: one group of variables serves all tasks of the client. */
  readonly buildEnv?: (base: string) => EnvVar;
};

/** The variables that the clients read. */
const CLIENTS: Readonly<Record<HttpClient, ClientPreset>> = {
  openai: {
    buildEnv: (base) => ({ name: 'OPENAI_BASE_URL', value: `${base}/v1` }),
  },
  anthropic: {
    buildEnv: (base) => ({ name: 'ANTHROPIC_BASE_URL', value: base }),
  },
  git: {},
  vault: {
    buildEnv: (base) => ({ name: 'VAULT_ADDR', value: base }),
  },
};

/** The variable that names the base URL of a client's task. */
export const getBaseUrlVariable = (client: HttpClient): string | undefined =>
  CLIENTS[client].buildEnv?.('').name;

/** @returns the URL of an Upstream; undefined if it is not known */
export type FindUpstreamUrl = (upstream: string) => string | undefined;

type ClientTask = Task & { readonly client: HttpClient };

/** The tasks of a consumer that have a preset. */
export const listClientTasks = (consumer: string, tasks: readonly Task[]): readonly ClientTask[] =>
  tasks.filter(
    (task): task is ClientTask => task.client !== undefined && task.containers.includes(consumer),
  );

/** The address of the gateway, as the template's consumers know it; absent in templates without one. */
const findGatewayUrl = ({ consumer }: InjectionTemplate): string | undefined =>
  consumer.signEnv?.find(({ name }) => name === SIGN_CONSUMER_ENV.endpointUrl)?.value;

/**
 * The variables of the clients of a consumer, in groups. A consumer that sets one of a group keeps its own.
 *
 * @param findUpstreamUrl decides about values of Git only, never about names
 */
export const listClientEnv = (
  template: InjectionTemplate,
  consumer: string,
  { tasks, findUpstreamUrl }: { tasks: readonly Task[]; findUpstreamUrl: FindUpstreamUrl },
): readonly (readonly EnvVar[])[] => {
  const gateway = findGatewayUrl(template);
  if (gateway === undefined) return [];
  const clients = listClientTasks(consumer, tasks).map(({ name, role, client }) => ({
    client,
    role,
    base: `${gateway}/t/${name}`,
  }));
  const remotes = clients
    .filter(({ client }) => client === 'git')
    .map(({ base, role }) => ({ base, upstreamUrl: findUpstreamUrl(role) }));
  return [
    ...clients.flatMap(({ client, base }) => {
      const { buildEnv } = CLIENTS[client];
      return buildEnv === undefined ? [] : [[buildEnv(base)]];
    }),
    buildGitEnv(remotes),
  ].filter((group) => group.length > 0);
};

/**
 * The variables of a consumer's first task of provider `postgres`, which all clients but JDBC read: never those of
 * a canary, which its clients would start by themselves. The gateway replaces the user; clients refuse to start without one where the image has no such user.
 *
 * @returns one group, or none
 */
export const listDatabaseEnvGroups = (
  consumer: string,
  tasks: readonly Task[],
): readonly (readonly EnvVar[])[] => {
  const found = listDatabaseTasks(tasks).find(
    ({ task }) => task.canary !== true && task.containers.includes(consumer),
  );
  if (found === undefined) return [];
  const { host, port, user } = DATABASE_CONSUMER_ENV;
  return [
    [
      { name: host, value: CONSUMER_MOUNT_PATH },
      { name: port, value: `${found.socketPort}` },
      { name: user, value: found.task.name },
    ],
  ];
};
