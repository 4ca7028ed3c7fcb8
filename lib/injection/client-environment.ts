import { SIGN_CONSUMER_ENV } from '../contract/environment.ts';
import type { Container, EnvVar } from '../contract/pod.ts';
import type { HttpClient, Task } from '../contract/task.ts';
import { formatValue, type FieldError } from '../schema/field-error.ts';
import type { InjectionTemplate } from './injection-template.ts';

type ClientVariables = {
  /** Where the client finds its API, and the path of the API below the base URL of the task. */
  readonly baseUrl: { readonly name: string; readonly path: string };
  /** Variables that hold a key of the API. */
  readonly keys: readonly string[];
};

/** The variables that the clients read. */
const CLIENTS: Readonly<Record<HttpClient, ClientVariables>> = {
  openai: {
    baseUrl: { name: 'OPENAI_BASE_URL', path: '/v1' },
    keys: ['OPENAI_API_KEY', 'OPENAI_ADMIN_KEY'],
  },
  anthropic: {
    baseUrl: { name: 'ANTHROPIC_BASE_URL', path: '' },
    keys: ['ANTHROPIC_API_KEY', 'ANTHROPIC_AUTH_TOKEN'],
  },
};

type ClientTask = Task & { readonly client: HttpClient };

const listClientTasks = (consumer: string, tasks: readonly Task[]): readonly ClientTask[] =>
  tasks.filter(
    (task): task is ClientTask => task.client !== undefined && task.containers.includes(consumer),
  );

/** The address of the gateway, as the template's consumers know it; absent in templates without one. */
const findGatewayUrl = ({ consumer }: InjectionTemplate): string | undefined =>
  consumer.signEnv?.find(({ name }) => name === SIGN_CONSUMER_ENV.endpointUrl)?.value;

/** The base URLs of the clients of a consumer. A consumer that sets one itself keeps its own. */
export const listClientEnv = (
  template: InjectionTemplate,
  consumer: string,
  tasks: readonly Task[],
): readonly EnvVar[] => {
  const gateway = findGatewayUrl(template);
  if (gateway === undefined) return [];
  return listClientTasks(consumer, tasks).map(({ name: task, client }) => {
    const { name, path } = CLIENTS[client].baseUrl;
    return { name, value: `${gateway}/t/${task}${path}` };
  });
};

/**
 * Finds keys of an API beside the task that replaces them: the client would send them to the gateway, and
 * every reader of the pod has them.
 */
export const checkClientKeys = (
  { name: consumer, env }: Container,
  path: string,
  tasks: readonly Task[],
): readonly FieldError[] =>
  listClientTasks(consumer, tasks).flatMap(({ name: task, client }) =>
    (env ?? []).flatMap(({ name, value = '', valueFrom }, index) =>
      CLIENTS[client].keys.includes(name) && (value !== '' || valueFrom !== undefined)
        ? [
            {
              path: `${path}/env/${index}`,
              expected: `no key of the API: task ${task} presents it; give the client the content of /var/run/valetkey/token as its key when it starts`,
              got: formatValue(name),
            },
          ]
        : [],
    ),
  );
