import type { Task } from '../contract/task.ts';

/** PostgreSQL's own port; in the name of the socket of a pod's first database task. */
const FIRST_SOCKET_PORT = 5432;

/** Where the clients of a task of provider `postgres` connect. */
export type DatabaseTask = {
  readonly task: Task;
  /** In the name of the consumer's socket: `.s.PGSQL.<socketPort>`. */
  readonly socketPort: number;
  /** Counted from the port of the gateway: for clients without Unix sockets. */
  readonly loopbackOffset: number;
};

/**
 * Lists the tasks of provider `postgres` of a pod in the order of their names, canaries last: the sidecar and
 * injection both count so. Programs try PostgreSQL's own port by themselves.
 */
export const listDatabaseTasks = (tasks: readonly Task[]): readonly DatabaseTask[] =>
  tasks
    .filter(({ provider }) => provider === 'postgres')
    .sort((one, other) => rankCanary(one) - rankCanary(other) || (one.name < other.name ? -1 : 1))
    .map((task, index) => ({
      task,
      socketPort: FIRST_SOCKET_PORT + index,
      loopbackOffset: index + 1,
    }));

const rankCanary = ({ canary }: Task): number => (canary === true ? 1 : 0);

/** The port in the name of the socket of a task of provider `postgres`. */
export const getSocketPort = (tasks: readonly Task[], name: string): number =>
  listDatabaseTasks(tasks).find(({ task }) => task.name === name)?.socketPort ?? FIRST_SOCKET_PORT;

/** File name of a client's socket, which PostgreSQL's clients derive from the port. */
export const formatSocketName = (port: number): string => `.s.PGSQL.${port}`;
